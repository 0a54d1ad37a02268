"""Training history -> a picture of the losses."""

from pathlib import Path


def draw_losses(history: list[dict], path: Path) -> None:
    """Training and validation loss over steps, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    for key, label in (("loss", "training"), ("eval_loss", "validation")):
        points = [(row["step"], row[key]) for row in history if key in row]
        if points:
            axes.plot(*zip(*points, strict=True), label=label, marker="o" if key == "eval_loss" else "")
    axes.set(xlabel="step", ylabel="loss (nats per answer token)", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)
