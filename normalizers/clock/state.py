"""What is remembered of one clock, and how it is stored."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Literal

import msgspec

from normalizers.clock.envelope import Envelope
from normalizers.clock.resolution import COARSEST_NS

FindingKind = Literal["clock-stepped", "clock-zone-wrong", "clock-unsynced", "clock-recovered"]
Cause = Literal["step", "backwards", "future", "zone", "dst", "day", "rtc-reset", "erratic", "settled"]

_VERSION = b"\x01"


class ClockFinding(msgspec.Struct, frozen=True):
    """Something found about a clock.

    Attributes:
        kind: The `event.action` of the engine event that tells of it.
        cause: What it rests on.
        shift_ns: How much the clock moved, positive when it went ahead; 0 when nothing moved.
        from_ns: Received time after which events are in doubt.
        until_ns: Received time at which it was decided.
        epoch: Epoch that begins with it.
        explained: A change of time was announced within two minutes.
    """

    kind: FindingKind
    cause: Cause
    shift_ns: int
    from_ns: int
    until_ns: int
    epoch: int
    explained: bool = False


class Epoch(msgspec.Struct, frozen=True):
    """One stretch between two steps, as it was known when it ended.

    Attributes:
        number: 0 is the first.
        from_ns: Received time at which it began.
        until_ns: Received time at which it ended.
        offset_ns: Device minus true time at its end.
        drift_ppm: Gain of the device in parts per million.
        uncertainty_ns: Half-width of the offset.
    """

    number: int
    from_ns: int
    until_ns: int
    offset_ns: int
    drift_ppm: float
    uncertainty_ns: int


if TYPE_CHECKING:
    Floats = array[float]
else:
    Floats = array  # not subscriptable at run time before Python 3.12


def _empty() -> Floats:
    return array("d")


class Reference(msgspec.Struct):
    """How residuals are usually distributed, in seconds above the line.

    Attributes:
        low_s: Their 10 % quantile.
        median_s: Their median.
        high_s: Above this an event is unusual (95 % quantile).
        size: Residuals that it rests on.
    """

    low_s: float
    median_s: float
    high_s: float
    size: int = 0


class OffsetBound(msgspec.Struct, frozen=True, array_like=True):
    """Between what device minus true time lay at a time; seconds, None where a side is not known."""

    at_s: float
    low_s: float | None
    high_s: float | None


class Narrowed(msgspec.Struct, frozen=True, array_like=True):
    """What bounds leave: how far the offset lies above the line's, and the half-width as far as the line changes it."""

    centre_s: float
    half_s: float


class ClockState(msgspec.Struct):
    """Memory of a clock; times in seconds since 1970 (receiver's clock), lags in seconds.

    Attributes:
        line: The line under the lags.
        reference: Usual residuals.
        cell_ns: Cell of the stamps.
        epoch: Number of the present epoch.
        epoch_from_ns: Received time at which it began.
        count: Events in it.
        last_received_ns: Of the last event.
        last_device_ns: Its stamp.
        last_sequence: Largest sequence number, None without one.
        bucket_from_s: Start of the open bucket.
        bucket_x: Time of its least lag.
        bucket_y: Its least lag.
        bucket_size: Its events.
        xs: Times of the bucket minima.
        ys: Their lags.
        undrawn: Buckets closed since the line was chosen.
        recent_xs: Times of the newest thinned events.
        recent_ys: Their lags.
        unread: Of these, how many the reference has not seen.
        up: Evidence that residuals have risen (log likelihood).
        up_size: Newest thinned events that it rests on.
        late_run: Late events among these.
        refuted_run: Most late events that a punctual one refuted lately.
        long_gap_s: A longer silence is taken for an outage.
        outage_from_s: Start of the last such silence.
        outage_until_s: Its end.
        ahead_xs: Times of events from the future that are not decided.
        ahead_ys: Their lags.
        ahead_age: Events since the first of these.
        loose_s: Half-width added while a new epoch is young.
        bounds: Newest bounds of the offset.
        narrowed: What they leave; None while that is no less than the lags do.
        steps_s: Times of the last steps.
        is_flushing: The epoch began inside a backlog, which is not over: its level is that of late events.
        is_settled: Stamps are corrected from the first event on: a whole-step error or a step was proved.
        is_unsynced: Nothing can be said of the clock.
        is_reported: A finding waits for its recovery.
        announced_ns: Received time of the last announced change of time.
        finding: The last finding.
        epochs: The last closed epochs.
    """

    line: Envelope
    reference: Reference
    cell_ns: int = COARSEST_NS
    epoch: int = 0
    epoch_from_ns: int = 0
    count: int = 0
    last_received_ns: int = 0
    last_device_ns: int = 0
    last_sequence: int | None = None
    bucket_from_s: float = 0.0
    bucket_x: float = 0.0
    bucket_y: float = 0.0
    bucket_size: int = 0
    xs: Floats = msgspec.field(default_factory=_empty)
    ys: Floats = msgspec.field(default_factory=_empty)
    undrawn: int = 0
    recent_xs: Floats = msgspec.field(default_factory=_empty)
    recent_ys: Floats = msgspec.field(default_factory=_empty)
    unread: int = 0
    up: float = 0.0
    up_size: int = 0
    late_run: int = 0
    refuted_run: int = 0
    long_gap_s: float = 3600.0
    outage_from_s: float = 0.0
    outage_until_s: float = 0.0
    ahead_xs: Floats = msgspec.field(default_factory=_empty)
    ahead_ys: Floats = msgspec.field(default_factory=_empty)
    ahead_age: int = 0
    loose_s: float = 0.0
    bounds: list[OffsetBound] = []
    narrowed: Narrowed | None = None
    steps_s: list[float] = []
    is_flushing: bool = False
    is_settled: bool = False
    is_unsynced: bool = False
    is_reported: bool = False
    announced_ns: int | None = None
    finding: ClockFinding | None = None
    epochs: list[Epoch] = []


def _encode_array(value: object) -> bytes:
    if isinstance(value, array):
        return value.tobytes()
    raise NotImplementedError(type(value))


def _decode_array(_: type, value: object) -> Floats:
    return array("d", value if isinstance(value, bytes) else b"")


_encoder = msgspec.msgpack.Encoder(enc_hook=_encode_array)
_decoder = msgspec.msgpack.Decoder(ClockState, dec_hook=_decode_array)


def encode_state(state: ClockState) -> bytes:
    """Store a state; equal states give equal bytes."""
    return _VERSION + _encoder.encode(state)


def is_known_version(stored: bytes) -> bool:
    """Tell whether a stored state is of the version that this program reads."""
    return stored[:1] == _VERSION


PAGE = 64
"""Newest events that change together: a stored part holds whole pages, the head the rest."""


class StoredClock(msgspec.Struct, frozen=True):
    """A state in parts, so that an event rewrites only what it changed.

    Attributes:
        head: All that any event changes; about 1 kB.
        recent: Older newest events, in whole pages: changes each `PAGE` thinned events.
        minima: Bucket minima: changes when a bucket closes.
    """

    head: bytes
    recent: bytes = b""
    minima: bytes = b""

    def joined(self) -> ClockState:
        """Return the whole state.

        Raises:
            ValueError: A part is of an unknown version, damaged, or missing.
        """
        state = decode_state(self.head)
        for part, names in ((self.recent, ("recent_xs", "recent_ys")), (self.minima, ("xs", "ys"))):
            half = len(part) // 2
            for name, values in zip(names, (part[:half], part[half:]), strict=True):
                setattr(state, name, array("d", values) + getattr(state, name))
        return state


def split_state(state: ClockState) -> StoredClock:
    """Store a state in parts."""
    kept = len(state.recent_xs) // PAGE * PAGE
    head = msgspec.structs.replace(
        state, recent_xs=state.recent_xs[kept:], recent_ys=state.recent_ys[kept:], xs=_empty(), ys=_empty()
    )
    return StoredClock(
        encode_state(head),
        state.recent_xs[:kept].tobytes() + state.recent_ys[:kept].tobytes(),
        state.xs.tobytes() + state.ys.tobytes(),
    )


def decode_state(stored: bytes) -> ClockState:
    """Take a stored state back.

    Raises:
        ValueError: It is of an unknown version or damaged.
    """
    if not is_known_version(stored):
        raise ValueError(f"clock state is of unknown version {stored[:1]!r}")
    return _decoder.decode(stored[1:])
