"""The twelve leads: their standard order, their spellings, and picking them out of a recording by name.

Databases spell lead names in three ways (aVR, AVR, avr) and store them in different orders (MIMIC-IV-ECG
has aVF before aVL), so leads are always found by header name, never by position.
"""

import difflib

import numpy as np

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")

_BY_LOWER = {name.lower(): name for name in LEADS}


def lead_name(raw: str) -> str:
    """The standard spelling of a header's lead name; a name that is not one of the 12 comes back stripped."""
    text = raw.strip()
    key = text.lower()
    for prefix in ("lead ", "lead_", "ecg ", "ecg_"):
        key = key.removeprefix(prefix)
    return _BY_LOWER.get(key, text)


def lead_indices(lead_names: tuple[str, ...] | list[str]) -> list[int]:
    """Where each of LEADS stands among `lead_names`.

    Raises:
        ValueError: a lead is missing, unknown (when that leaves fewer than 12) or there twice.
    """
    found = [lead_name(name) for name in lead_names]
    twice = sorted({name for name in found if name in LEADS and found.count(name) > 1})
    if twice:
        raise ValueError(f"lead {', '.join(twice)} appears more than once in {', '.join(lead_names)}")
    missing = [name for name in LEADS if name not in found]
    if missing:
        message = f"needs the 12 standard leads, found {len(LEADS) - len(missing)}: missing {', '.join(missing)}"
        unknown = [name for name in found if name not in LEADS]
        if unknown:
            message += f"; unknown lead name {', '.join(repr(name) for name in unknown)}"
            near = difflib.get_close_matches(unknown[0].lower(), list(_BY_LOWER), n=1)
            if near:
                message += f" (did you mean {_BY_LOWER[near[0]]}?)"
        raise ValueError(message)
    return [found.index(name) for name in LEADS]


def order_leads(signal: np.ndarray, lead_names: tuple[str, ...] | list[str]) -> np.ndarray:
    """Pick the 12 leads by name. (leads, samples) in any order -> (12, samples) in the order of LEADS.

    Further leads (Frank's vx, vy, vz, a rhythm strip) are left out when all 12 are there.

    Raises:
        ValueError: as `lead_indices`, or another number of names than of signals.
    """
    if len(lead_names) != signal.shape[0]:
        raise ValueError(f"{len(lead_names)} lead names for {signal.shape[0]} signals")
    return np.ascontiguousarray(signal[lead_indices(lead_names)])
