"""Evidence, in the client for asyncio and trio."""

from collections.abc import AsyncIterator, Sequence
from typing import Literal

from lapel_client import answers, calls_evidence
from lapel_client.asynchronous_sending import Sender
from lapel_client.calls_evidence import Attention, EvidenceReport, Policy
from lapel_client.images import Image


class EvidenceMethods(Sender):
    """Two images examined, kept, reported and verified."""

    async def post_evidence(
        self,
        a: Image,
        b: Image,
        *,
        name_a: str | None = None,
        name_b: str | None = None,
        attributes: Sequence[str] | None = None,
        policy: Policy | None = None,
        attention: Attention | None = None,
        catalog: str | None = None,
    ) -> answers.EvidenceAnswer:
        """Examine two images; returns once what was found is on disk, with both files.

        It is sent again only where the service surely did nothing. After any other lost
        connection, `list_evidence` says whether it was made.

        Args:
            a: the original.
            b: the suspect.
            name_a: what the report calls it.
            name_b: likewise.
            attributes: all of the model's when left out.
            policy: when the two count as alike; the model's own when left out.
            attention: where the network looked, too.
            catalog: where garments are.
        """
        return await self._ask(
            calls_evidence.post_evidence,
            a,
            b,
            name_a=name_a,
            name_b=name_b,
            attributes=attributes,
            policy=policy,
            attention=attention,
            catalog=catalog,
        )

    async def list_evidence(
        self, *, cursor: str | None = None, limit: int | None = None
    ) -> answers.EvidenceList:
        """One page, newest first; `evidence` walks through them all."""
        return await self._ask(calls_evidence.list_evidence, cursor=cursor, limit=limit)

    async def evidence(self, *, page: int | None = None) -> AsyncIterator[answers.EvidenceEntry]:
        """All evidence, newest first, fetched a page at a time."""
        cursor = None
        while True:
            listed = await self.list_evidence(cursor=cursor, limit=page)
            for entry in listed.evidence:
                yield entry
            cursor = listed.next_cursor
            if cursor is None:
                return

    async def get_evidence(
        self, evidence_id: str, *, attention: Attention | None = None
    ) -> answers.EvidenceAnswer:
        """Evidence as it was answered when it was made."""
        return await self._ask(calls_evidence.get_evidence, evidence_id, attention=attention)

    async def delete_evidence(self, evidence_id: str) -> None:
        """Delete it with both files. After a lost connection, `NotFound` may mean it is done."""
        return await self._ask(calls_evidence.delete_evidence, evidence_id)

    async def verify_evidence(self, evidence_id: str) -> answers.VerificationAnswer:
        """Whether anything was altered since, and whether the figures are found again."""
        return await self._ask(calls_evidence.verify_evidence, evidence_id)

    async def report_evidence(
        self,
        evidence_id: str,
        *,
        format: Literal["html", "pdf"] | None = None,
        paper: Literal["a4", "letter"] | None = None,
    ) -> EvidenceReport:
        """The report as a file: HTML unless PDF is asked for; `paper` is of a PDF."""
        return await self._ask(
            calls_evidence.report_evidence, evidence_id, format=format, paper=paper
        )
