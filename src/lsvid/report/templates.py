"""The templates of the pages: the HTML files of this package, which Jinja fills in. It escapes every value."""

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from lsvid.clock import clock
from lsvid.labels.tree import join_path
from lsvid.report.data import duration
from lsvid.wording import count_of


def template(name: str) -> Template:
    """The template of this name, such as "page.html"."""
    environment = Environment(
        loader=PackageLoader("lsvid.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "clock": clock,
        "count_of": count_of,
        "duration": duration,
        "label": join_path,
        "number": _number,
        "offset": _offset,
        "who": who,
    }
    return environment.get_template(name)


def percent(share: float) -> str:
    """A share of 1 as a length in HTML."""
    return f"{100 * share:.4f}%"


def who(annotator: str) -> str:
    """The annotator's name, or 'unknown annotator' if it is empty."""
    return annotator or "unknown annotator"


def _number(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{value:.{digits}f}"  # noqa: RUF001 - a dash: there is no number


def _offset(signed_s: float | None, absolute_s: float | None) -> str:
    return "–" if signed_s is None or absolute_s is None else f"{signed_s:+.2f} s ({absolute_s:.2f})"  # noqa: RUF001
