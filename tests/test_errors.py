"""Errors as a notebook and a worker process see them; wrong values of options; secrets that are never shown."""

import pickle
import traceback
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsvid.annotations.boundaries import BoundaryOptions
from lsvid.annotations.merge import MergeOptions
from lsvid.annotations.spans import Clip, Status
from lsvid.annotations.stages import Selection
from lsvid.errors import ClipError, ExportError, LsvidError, SettingsError, check_choice
from lsvid.findings import Findings
from lsvid.labeling.config import labeling_config
from lsvid.labels.tree import LabelTree
from lsvid.redaction import public_address, redacted

PRESIGNED = (
    "https://user:pw@bucket.s3.example/op%201/clip.mp4?X-Amz-Credential=KEY%2F1&X-Amz-Signature=5E3C&response=x#t=3"
)
SECRETS = ("user", "pw", "KEY", "5E3C")


def shown(error: LsvidError) -> str:
    """What a notebook prints."""
    return "".join(traceback.format_exception(error))


def test_a_notebook_shows_the_hint() -> None:
    assert shown(ClipError("there is no clip", "name its folder")).endswith("there is no clip\nhint: name its folder\n")
    assert "hint" not in shown(ClipError("there is no clip"))
    assert str(ClipError("there is no clip", "name its folder")) == "there is no clip"


@pytest.mark.parametrize("error", [ClipError("a", "b"), ExportError("a", "b", ["c"]), SettingsError("a")])
def test_an_error_survives_the_trip_out_of_a_worker(error: LsvidError) -> None:
    back = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (type(back), back.message, back.hint) == (type(error), error.message, error.hint)
    assert shown(back) == shown(error)


# --- values of options ---


@pytest.mark.parametrize(
    ("make", "text", "right"),
    [
        (lambda: Selection(annotations="lastest"), "annotations 'lastest'", "latest, first, ground-truth, all"),
        (lambda: Selection(statuses=frozenset({"acepted"})), "status 'acepted'", "accepted, rejected"),  # type: ignore[arg-type]
        (lambda: BoundaryOptions(overlap="priorty"), "overlap 'priorty'", "keep, error, priority"),
        (lambda: BoundaryOptions(priority="longst"), "priority 'longst'", "label-order, longest"),
        (lambda: MergeOptions("majorty"), "merge 'majorty'", "majority, union, intersection, priority"),
        (lambda: labeling_config(LabelTree(()), timeline="frame"), "timeline 'frame'", "frames, waveform, both"),  # type: ignore[arg-type]
        (lambda: check_choice("layout", "wid", ("long", "wide")), "layout 'wid'", "long, wide"),
    ],
)
def test_a_wrong_value_lists_the_right_ones(make: object, text: str, right: str) -> None:
    assert callable(make)
    with pytest.raises(SettingsError) as caught:
        make()
    assert text in caught.value.message
    assert right in caught.value.hint


def test_right_values_pass() -> None:
    Selection("ground-truth", frozenset({Status.DRAFT}))
    BoundaryOptions(Fraction(1), "priority", "longest")
    MergeOptions("priority", ("anna",))


# --- secrets ---


@pytest.mark.parametrize(
    ("address", "public"),
    [
        (PRESIGNED, "https://bucket.s3.example/op%201/clip.mp4#t=3"),
        ("https://host/a.mp4?sv=2&se=3&sig=abc", "https://host/a.mp4"),
        ("https://host/a.mp4?token=abc", "https://host/a.mp4"),
        ("http://host/data/local-files/?d=op1/a.mp4", "http://host/data/local-files/?d=op1/a.mp4"),
        ("/tasks/7/resolve/?fileuri=czM6Ly9h", "/tasks/7/resolve/?fileuri=czM6Ly9h"),
        ("s3://bucket/op1/a?b.mp4", "s3://bucket/op1/a?b.mp4"),
        ("C:\\op1\\a.mp4", "C:\\op1\\a.mp4"),
        ("http://[bad/a.mp4?sig=abc", "http://[bad/a.mp4"),
    ],
)
def test_what_only_opens_an_address_is_left_out(address: str, public: str) -> None:
    assert public_address(address) == public
    assert redacted(f"see '{address}', twice: {address}") == f"see '{public}', twice: {public}"


def test_a_harmless_query_stays_in_a_text_and_goes_from_a_clip() -> None:
    assert redacted("open http://host/projects/3/data?tab=2") == "open http://host/projects/3/data?tab=2"
    assert Clip(case="op1", clip="a", media="https://host/a.mp4?tab=2").media == "https://host/a.mp4"


def test_no_secret_reaches_an_error_or_a_finding() -> None:
    findings = Findings()
    findings.fault(PRESIGNED, PRESIGNED, PRESIGNED)
    findings.leave_out(PRESIGNED, PRESIGNED)
    findings.warn(PRESIGNED, PRESIGNED)
    error = ClipError(PRESIGNED, PRESIGNED)
    media = Clip(case="op1", clip="a", media=PRESIGNED).media
    for secret in SECRETS:
        assert secret not in shown(error) + repr(error) + repr(findings) + media


@given(st.text())
def test_redaction_is_done_once(text: str) -> None:
    address = f"https://host/{text}?sig=SECRET&{text}"
    once = public_address(address)
    assert public_address(once) == once
    assert redacted(redacted(address)) == redacted(address)
