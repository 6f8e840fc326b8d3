"""Screens, in the client for ordinary code."""

from collections.abc import Iterator, Sequence

from lapel_client import answers, calls_screens
from lapel_client.calls_evidence import Policy
from lapel_client.calls_screens import ScreenItem, Side
from lapel_client.synchronous_sending import Sender


class ScreenMethods(Sender):
    """Protected designs against suspects."""

    def post_screen(
        self,
        designs: Side,
        suspects: Side,
        *,
        attributes: Sequence[str] | None = None,
        policy: Policy | None = None,
        max_false_accusation_rate: float | None = None,
        max_false_findings: float | None = None,
        limit_per_design: int | None = None,
        watch: bool | None = None,
        notify: str | None = None,
        background: bool = False,
    ) -> answers.ScreenResult | answers.ScreenAnswer:
        """All findings, the surest first; or, of a large or standing screen, that it has begun.

        It is sent again only where the service surely did nothing. After any other lost
        connection, `list_screens` says whether one was begun.

        Args:
            designs: what is protected.
            suspects: what may have been taken from it.
            attributes: only these of the policy's count.
            policy: when two count as alike; the model's own when left out.
            max_false_accusation_rate: share of unrelated pairs that may be accused.
            max_false_findings: in its place, how many findings chance may bring.
            limit_per_design: best findings kept.
            watch: stay, and screen what is stored later.
            notify: address to which new findings are sent.
            background: whatever the size; `get_screen` says how far it is.
        """
        return self._ask(
            calls_screens.post_screen,
            designs,
            suspects,
            attributes=attributes,
            policy=policy,
            max_false_accusation_rate=max_false_accusation_rate,
            max_false_findings=max_false_findings,
            limit_per_design=limit_per_design,
            watch=watch,
            notify=notify,
            background=background,
        )

    def screen(
        self,
        designs: Side,
        suspects: Side,
        *,
        attributes: Sequence[str] | None = None,
        policy: Policy | None = None,
        max_false_accusation_rate: float | None = None,
        max_false_findings: float | None = None,
        limit_per_design: int | None = None,
    ) -> Iterator[ScreenItem]:
        """Findings as they are found, in no order, and in the end the summary.

        Nothing is kept by the service; leaving the iterator ends the screen. It is sent again only
        until the first finding has come.

        Args:
            designs: what is protected.
            suspects: what may have been taken from it.
            attributes: only these of the policy's count.
            policy: when two count as alike; the model's own when left out.
            max_false_accusation_rate: share of unrelated pairs that may be accused.
            max_false_findings: in its place, how many findings chance may bring.
            limit_per_design: best findings of each.
        """
        yield from self._lines(
            calls_screens.screen,
            designs,
            suspects,
            attributes=attributes,
            policy=policy,
            max_false_accusation_rate=max_false_accusation_rate,
            max_false_findings=max_false_findings,
            limit_per_design=limit_per_design,
        )

    def list_screens(self, *, limit: int | None = None) -> answers.ScreenList:
        """Screens in the background, newest first."""
        return self._ask(calls_screens.list_screens, limit=limit)

    def get_screen(self, screen_id: str) -> answers.ScreenAnswer:
        """How far a screen is, and how many findings chance alone would bring."""
        return self._ask(calls_screens.get_screen, screen_id)

    def delete_screen(self, screen_id: str) -> answers.ScreenAnswer:
        """Cancel a screen, unless it has ended; its findings stay."""
        return self._ask(calls_screens.delete_screen, screen_id)

    def get_findings(
        self, screen_id: str, *, limit: int | None = None, offset: int | None = None
    ) -> answers.ScreenFindings:
        """One page, the surest first; `findings` has them all."""
        return self._ask(calls_screens.get_findings, screen_id, limit=limit, offset=offset)

    def findings(self, screen_id: str) -> Iterator[answers.ScreenFinding]:
        """All findings of a screen, the surest first, as they arrive."""
        yield from self._lines(calls_screens.findings, screen_id)
