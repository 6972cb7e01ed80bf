"""simulate, demo: try before you label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from querist.cli import console
from querist.cli.loop import json_option, project_option
from querist.cli.serve import check_installed, start_server
from querist.core.errors import SettingError


def names(context: click.Context, parameter: click.Parameter, value: str | tuple[str, ...]) -> list[str] | None:
    """`a,b,c`, or the option several times, as a list; None where it was not given."""
    if value == ():
        return None
    parts = ",".join([value] if isinstance(value, str) else value).split(",")
    return [part.strip() for part in parts if part.strip()]


@click.command()
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.option("--id", metavar="COLUMN", help="Column with a unique id.  [default: the content names the item]")
@click.option("--text", multiple=True, callback=names, metavar="A,B", help="Text columns.")
@click.option("--image", metavar="COLUMN", help="Image column.")
@click.option("--numeric", multiple=True, callback=names, metavar="A,B", help="Numeric columns.")
@click.option("--categorical", multiple=True, callback=names, metavar="A,B", help="Categorical columns.")
@click.option("--label", default="label", show_default=True, help="Label column.")
@click.option("--split-column", metavar="COLUMN", help="Column with pool and test.  [default: drawn by content]")
@click.option(
    "--context", multiple=True, callback=names, metavar="A,B", help="Columns that are kept but not learned from."
)
@click.option("--learner", default="auto", show_default=True, help="Learner by name.")
@click.option(
    "--strategies",
    callback=names,
    default="auto,uncertainty,random",
    show_default=True,
    metavar="A,B",
    help="Strategies to compare.",
)
@click.option(
    "--metrics",
    callback=names,
    default="accuracy,macro_f1",
    show_default=True,
    metavar="A,B",
    help="Metrics to record.",
)
@click.option("--seed-size", type=click.IntRange(min=1), help="Items in the seed set.  [default: 5 % of the pool]")
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=100, show_default=True, help="Items asked in a round."
)
@click.option("--rounds", type=click.IntRange(min=0), default=10, show_default=True, help="Rounds after the seed set.")
@click.option(
    "--repeats",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Runs of each strategy, each with a seed set of its own.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of every random draw.")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes.  [default: one per core]")
@click.option("--json", "out", type=click.Path(path_type=Path), metavar="OUT", help="Write every run to this file.")
@project_option
def simulate(source: Path | None, folder: Path, out: Path | None, **options: Any) -> None:
    """Compare strategies on labeled data; without SOURCE, on the project's own snapshot and settings."""
    with console.progress() as progress:
        if source is not None:
            from querist.pipeline.simulate import simulate as simulate_source

            filled = {name: value for name, value in options.items() if value is not None}
            found = simulate_source(source, json=out, progress=progress, **filled)
        else:
            from querist.pipeline.project import Project

            given = _typed(options)
            if foreign := sorted(set(given) - {*OF_A_PROJECT, "label"}):
                options_ = ", ".join(f"--{name.replace('_', '-')}" for name in foreign)
                raise SettingError(f"{options_} go with a SOURCE; without one, querist.toml says it")
            kept = {name: given[name] for name in OF_A_PROJECT if name in given}
            found = Project(folder).simulate(oracle=options["label"], json=out, progress=progress, **kept)
    show_comparison(found)
    if out:
        click.echo(f"wrote {out}")


OF_A_PROJECT = ("strategies", "metrics", "rounds", "repeats", "jobs")


def _typed(options: dict[str, Any]) -> dict[str, Any]:
    """The options that the user gave, without the defaults."""
    source = click.get_current_context().get_parameter_source
    return {name: value for name, value in options.items() if source(name) is ParameterSource.COMMANDLINE}


def show_comparison(found: dict[str, Any]) -> None:
    from rich.table import Table

    metrics = list(found["full"])
    click.echo(f"{found['dataset']}: pool {found['n_pool']:,}, holdout {found['n_test']:,}")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("strategy", "labels", *metrics):
        table.add_column(name, justify="left" if name == "strategy" else "right")
    for strategy, summary in found["summary"].items():
        for point in sorted({0, len(summary["labels"]) // 2, len(summary["labels"]) - 1}):
            values = [f"{summary['metrics'][m]['mean'][point]:.3f}" for m in metrics]
            table.add_row(strategy, f"{summary['labels'][point]:,}", *values)
    table.add_row("whole pool", f"{found['n_pool']:,}", *(f"{found['full'][m]:.3f}" for m in metrics))
    console.show(table)
    tested = False
    for strategy, summary in found["summary"].items():
        for metric in metrics:
            against = summary["metrics"][metric].get("against_random")
            if against:
                click.echo(f"{strategy}, {metric}: {against['verdict']}")
                tested = tested or against["p"] is not None
    if tested:
        click.echo(found["test"])


@click.command()
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder of the demo project.  [default: querist-demo, with --serve querist-demo-page]",
)
@click.option("--images", is_flag=True, help="Handwritten digits instead of film reviews.")
@click.option("--serve", "by_hand", is_flag=True, help="Label by hand: serve the labeling page on the demo.")
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65_535), help="Port of the page.")
@click.option("--open", "browser", is_flag=True, help="With --serve: open the page in the browser.")
@json_option
def demo(folder: Path | None, images: bool, by_hand: bool, port: int, browser: bool, as_json: bool) -> None:
    """Run the whole loop on real data, with a simulated annotator, and compare it with random sampling."""
    from querist.pipeline.demo import compare, prepare, prepare_for_people
    from querist.pipeline.demo import run as run_demo

    if by_hand:
        check_installed()
        with console.progress() as progress:
            project = prepare_for_people(folder or Path("querist-demo-page"), images=images, progress=progress)
        start_server(project, port=port, browser=browser)
        return
    folder = folder or Path("querist-demo")
    if as_json:
        with console.progress() as progress:
            console.print_json(run_demo(folder, images=images, progress=progress))
        return
    with console.progress() as progress:
        project, rounds = prepare(folder, images=images, progress=progress)
    with console.live(project) as (on_step, live_progress):
        outcome = project.run(rounds=rounds, oracle="label", on_step=on_step, progress=live_progress)
    click.echo(f"{outcome.status}: {outcome.reason}\n")
    with console.progress() as progress:
        comparison = compare(project, rounds, progress=progress)
    show_curves(comparison, project.settings.objective.metric)
    click.echo(f"\nsummary: {project.write_summary(comparison)}")


def show_curves(comparison: dict[str, Any], metric: str) -> None:
    """The learning curves as bars, and the verdict in words."""
    from rich.bar import Bar
    from rich.table import Table

    summary = comparison["summary"]
    means = {name: found["metrics"][metric]["mean"] for name, found in summary.items()}
    values = [v for mean in means.values() for v in mean]
    low, high = min(values), max(values)
    table = Table(title=f"Learning curve: {metric} on the holdout, mean of 3 repeats", box=None, title_justify="left")
    for name in ("labels", "strategy", metric, ""):
        table.add_column(name, justify="right" if name in ("labels", metric) else "left")
    for point, n_labels in enumerate(next(iter(summary.values()))["labels"]):
        for name, mean in means.items():
            bar = Bar(size=(high - low) or 1.0, begin=0, end=mean[point] - low, width=40)
            table.add_row(f"{n_labels:,}", name, f"{mean[point]:.3f}", bar)
    console.show(table)
    click.echo(f"whole pool of {comparison['n_pool']:,} labels: {comparison['full'][metric]:.3f}")
    for name, found in summary.items():
        against = found["metrics"][metric].get("against_random")
        if against:
            click.echo(f"{name}: {against['verdict']}")
