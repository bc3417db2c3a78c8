"""The picture of a clock: offset over time with its hull, its uncertainty and its steps."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from detector.alerting.times import utc
from detector.runtime.clockhistory import ClockHistory
from normalizers.clock.policy import NS

_HOUR_NS = 3_600 * NS


def draw(history: ClockHistory, output: Path) -> None:
    """Write the picture; its format is that of the file's name. The same records give the same file."""
    start_ns = history.points[0].received_ns
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    _draw_offset(axes, history, start_ns)
    for number, doubt in enumerate(history.steps):
        from_h, until_h = ((each_ns - start_ns) / _HOUR_NS for each_ns in doubt)
        axes.axvspan(from_h, until_h, color="tab:red", alpha=0.2, linewidth=0)
        axes.axvline(until_h, color="tab:red", linewidth=1, label=None if number else "step found; shaded: in doubt")
    axes.set_title(f"Clock of {history.source}: device minus true time")
    axes.set_xlabel(f"hours after {utc(start_ns)[:19]}Z")
    axes.set_ylabel("offset, s")
    axes.grid(alpha=0.3)
    axes.legend(loc="best", fontsize="small")
    with mpl.rc_context({"svg.hashsalt": history.source}):
        figure.savefig(output, dpi=120, metadata={"Date": None} if output.suffix == ".svg" else {})


def _draw_offset(axes: Axes, history: ClockHistory, start_ns: int) -> None:
    hours = [(each.received_ns - start_ns) / _HOUR_NS for each in history.points]
    offsets = [each.offset_ns / NS for each in history.points]
    low = [(each.offset_ns - each.uncertainty_ns) / NS for each in history.points]
    high = [(each.offset_ns + each.uncertainty_ns) / NS for each in history.points]
    apparent = [each.apparent_ns / NS for each in history.points]
    axes.fill_between(hours, low, high, step="post", color="tab:blue", alpha=0.2, linewidth=0, label="uncertainty")
    axes.plot(hours, apparent, ".", color="0.55", markersize=3, label="stamp minus receipt")
    axes.plot(hours, offsets, color="tab:blue", drawstyle="steps-post", label="offset, from the line on the hull")
    # A single late event must not flatten all else.
    margin = max((max(offsets) - min(offsets)) * 0.2, 2.0)
    axes.set_ylim(min(offsets) - 2 * margin, max(offsets) + margin)
