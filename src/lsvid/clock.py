"""Times in the form that people read."""


def clock(seconds: float, digits: int = 0) -> str:
    """Seconds as h:mm:ss, with `digits` decimals; a time before zero has a minus sign."""
    unit = 10**digits
    ticks = round(seconds * unit)
    whole, part = divmod(abs(ticks), unit)
    text = f"{'-' if ticks < 0 else ''}{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{text}.{part:0{digits}}" if digits else text
