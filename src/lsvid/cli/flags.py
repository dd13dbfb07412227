"""The flags of the command line for the options that texts of the library name."""

_OTHER_NAMES = {
    "annotators": "annotator", "common": "common-only", "datasets": "dataset", "endpoint": "s3-endpoint",
    "key_env": "s3-key-env", "missing": "damaged", "region": "s3-region", "secret_env": "s3-secret-env",
    "splits": "split", "statuses": "status",
}  # fmt: skip
"""The options whose flag has another name than in Python."""

_OTHER_OPTIONS = {("annotators", "MODEL"): "--model MODEL", ("probabilities", '{"fps": R}'): "--probability-fps R"}
"""What is one option in Python, and on the command line the flag of one of several."""


def as_flag(name: str, value: str | None) -> str:
    """The option as a word of a command: `--clips`, `--clips DIR`; a switch is `--skip-bad` or `--no-presign`."""
    if value is not None and (name, value) in _OTHER_OPTIONS:
        return _OTHER_OPTIONS[name, value]
    flag = _OTHER_NAMES.get(name, name.replace("_", "-"))
    if value in (None, "True"):
        return f"--{flag}"
    return f"--no-{flag}" if value == "False" else f"--{flag} {value}"
