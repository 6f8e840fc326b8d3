"""Names, shares and ratios as people read them."""

import unicodedata
from typing import Final

MAX_SHOWN_CHARS: Final = 160
MOST_SURE: Final = 0.999
"""Nothing is said to be surer than this."""
CLOSE: Final = 0.99
"""To certainty: from here on a decimal more is of use."""


def shown(text: str) -> str:
    r"""A name that somebody else chose, without letters that hide or turn what stands around them.

    >>> shown("a\u202egpj.exe")
    'a[U+202E]gpj.exe'
    """
    harmless = "".join(
        f"[U+{ord(c):04X}]" if unicodedata.category(c) in _UNSEEN else c for c in text
    )
    if len(harmless) <= MAX_SHOWN_CHARS:
        return harmless
    half = MAX_SHOWN_CHARS // 2
    return f"{harmless[:half]} … {harmless[-half:]}"


_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def spoken(name: str) -> str:
    """An attribute's or value's name as a reader expects it."""
    return shown(name.replace("_", " "))


def listed(names: list[str]) -> str:
    """Several names in one sentence.

    >>> listed(["collar", "closure", "sleeve_length"])
    'collar, closure and sleeve length'
    """
    words = [spoken(name) for name in names]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def percent(share: float) -> str:
    """A share with two significant digits.

    >>> percent(0.9534), percent(0.0123), percent(0.00031), percent(1.0), percent(0.9996)
    ('95 %', '1.2 %', '0.031 %', '100 %', '99.96 %')
    """
    value = 100 * share
    if 99 < value < 100:
        return f"{round(value, 2):g} %"
    if value >= 10:
        return f"{value:.0f} %"
    return f"{float(f'{value:.2g}'):g} %"


def likely(probability: float) -> str:
    """A probability that a network gave, which is never as sure as its digits.

    >>> likely(0.9534), likely(0.99437), likely(0.99996), likely(0.00031)
    ('95 %', '99.4 %', 'more than 99.9 %', 'less than 0.1 %')
    """
    if probability > MOST_SURE:
        return f"more than {percent(MOST_SURE)}"
    if probability < 1 - MOST_SURE:
        return f"less than {percent(1 - MOST_SURE)}"
    return f"{100 * probability:.1f} %" if probability > CLOSE else percent(probability)


def how_often(chance: float) -> str:
    """A chance level as people count.

    >>> how_often(0.0121), how_often(0.34), how_often(0.1), how_often(0.00005)
    ('1 in 83', '34 in 100', '1 in 10', '1 in 20,000')
    """
    if chance > 0.105:
        return f"{round(100 * chance)} in 100"
    return f"1 in {round(1 / chance):,}"


def ratio(likelihood_ratio: float) -> str:
    """A likelihood ratio as a sentence without its full stop."""
    if 1 / 1.2 < likelihood_ratio < 1.2:
        return "speaks neither for the same value nor for different ones"
    same = likelihood_ratio >= 1
    times = likelihood_ratio if same else 1 / likelihood_ratio
    figure = f"{times:,.0f}" if times >= 10 else f"{times:.1f}"
    expected = "the same value" if same else "different values"
    return f"is {figure} times as likely where garments have {expected}"
