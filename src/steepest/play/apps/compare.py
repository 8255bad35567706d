# /// script
# [tool.marimo.display]
# theme = "system"
# ///
"""The page of ``steepest play compare``."""

# pyright: basic, reportMissingImports=false, reportUnusedExpression=false

import marimo

app = marimo.App(width="medium", app_title="steepest: compare")


@app.cell
def _():
    import marimo as mo

    from steepest.errors import SteepestError
    from steepest.play import choices, pages, pictures
    from steepest.play.descent import rules
    from steepest.play.workplace import workplace

    place = workplace()
    get_seen, set_seen = mo.state((0, 0))
    get_phase, set_phase = mo.state((0, ""))
    get_error, set_error = mo.state("")
    return (
        SteepestError, choices, get_error, get_phase, get_seen, mo, pages, pictures, place, rules, set_error,
        set_phase, set_seen,
    )  # fmt: skip


@app.cell
def _(mo, place):
    offered = place.offered()
    data = mo.ui.dropdown(offered, value=offered[0], label="data", searchable=True)
    mo.vstack(
        [
            mo.md(
                "# Compare ways of training\n"
                "Choose data and optimizers, start, and watch. Finished runs are kept, whenever you stop."
            ),
            data,
        ]
    )
    return (data,)


@app.cell
def _(choices, data, mo, place, rules):
    columns = choices.columns(data.value)
    target = mo.ui.dropdown(columns, value=columns[-1] if columns else None, label="column to predict")
    optimizers = mo.ui.multiselect(rules(), value=["sgd", "adam"], label="optimizers")
    rates = mo.ui.text(placeholder="0.01, 0.1", label="learning rates (empty: tuned equally)")
    models = mo.ui.multiselect(choices.model_names(data.value), label="models (empty: the usual one)")
    seeds = mo.ui.number(1, 20, 1, value=3, label="seeds")
    epochs = mo.ui.number(0, 1000, 1, value=3, label="epochs (0: a pilot finds them)")
    name = mo.ui.text(place.free_name(data.value), label="kept as", max_length=60)
    start = mo.ui.run_button("success", label="Start")
    mo.vstack(
        [
            *([target] if columns else []),
            mo.hstack([optimizers, rates, models], justify="start", wrap=True),
            mo.hstack([seeds, epochs, name], justify="start", wrap=True),
            start,
        ]
    )
    return columns, epochs, models, name, optimizers, rates, seeds, start, target


@app.cell
def _(
    SteepestError,
    columns,
    data,
    epochs,
    models,
    name,
    optimizers,
    pages,
    place,
    rates,
    seeds,
    set_error,
    set_seen,
    start,
    target,
):
    if start.value:
        try:
            place.start(
                name.value,
                data.value,
                pages.options(
                    target.value if columns else None,
                    optimizers.value,
                    rates.value,
                    models.value,
                    seeds.value,
                    epochs.value,
                ),
            )
            set_error("")
        except SteepestError as _error:
            set_error(f"{_error.fact}. {_error.hint}")
        set_seen(pages.seen(place))
    return


@app.cell
def _(mo):
    stop = mo.ui.run_button("danger", label="Stop")
    clock = mo.ui.refresh(default_interval="1s", options=["1s", "5s", "30s"], label="look every")
    mo.hstack([stop, clock], justify="start")
    return clock, stop


@app.cell
def _(clock, get_phase, get_seen, pages, place, set_phase, set_seen):
    _ = clock.value
    if pages.seen(place) != get_seen():
        set_seen(pages.seen(place))
    if pages.phase(place) != get_phase():
        set_phase(pages.phase(place))
    return


@app.cell
def _(place, stop):
    if stop.value and place.job is not None:
        place.job.stop()
    return


@app.cell
def _(get_error, get_seen, mo, pages, place):
    get_seen()
    _error = [mo.callout(mo.md(pages.escaped(get_error())), "danger")] if get_error() else []
    mo.vstack([*_error, mo.md(pages.progress(place.job))])
    return


@app.cell
def _(get_seen, mo, pictures, place):
    get_seen()
    _job = place.job
    mo.ui.plotly(
        pictures.curves(list(_job.curves.values()), _job.metric), config={"displayModeBar": False}
    ) if _job and _job.curves else None
    return


@app.cell
def _(get_phase, mo, pages, place):
    get_phase()
    unfinished = [] if place.running else [each for each, done in place.kept().items() if not done]
    again = mo.ui.dropdown(unfinished, value=unfinished[0] if unfinished else None, label="not finished")
    go_on = mo.ui.run_button(label="Go on")
    mo.vstack(
        [*([mo.hstack([again, go_on], justify="start")] if unfinished else []), mo.md(pages.kept(place))]
    )
    return again, go_on


@app.cell
def _(SteepestError, again, go_on, pages, place, set_error, set_phase, set_seen):
    if go_on.value and again.value:
        try:
            place.go_on(again.value)
            set_error("")
        except SteepestError as _error:
            set_error(f"{_error.fact}. {_error.hint}")
        set_seen(pages.seen(place))
        set_phase(pages.phase(place))
    return


@app.cell
def _(get_seen, mo, pages, place):
    get_seen()
    mo.accordion({"What was decided": mo.md(pages.lines(place.job))}) if place.job else None
    return


if __name__ == "__main__":
    app.run()
