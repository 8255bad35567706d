# /// script
# [tool.marimo.display]
# theme = "system"
# ///
"""The page of ``steepest play landscape``."""

# pyright: basic, reportMissingImports=false, reportUnusedExpression=false

import marimo

app = marimo.App(width="medium", app_title="steepest: landscape")


@app.cell
def _():
    import marimo as mo

    from steepest.errors import SteepestError
    from steepest.play import descent, pages, pictures
    from steepest.play.hypotheses import ENDS, Hypotheses
    from steepest.play.workplace import workplace

    place = workplace()
    hypotheses = Hypotheses(place.folder)
    get_error, set_error = mo.state("")
    get_number, set_number = mo.state(0)
    return (
        ENDS,
        SteepestError,
        descent,
        get_error,
        get_number,
        hypotheses,
        mo,
        pages,
        pictures,
        place,
        set_error,
        set_number,
    )


@app.cell
def _(descent, mo, place):
    problems = list(descent.STARTS)
    problem = mo.ui.dropdown(
        problems, value="a parabola through points" if place.data else problems[0], label="problem"
    )
    mo.vstack(
        [
            mo.md("# What will the optimizer do?\nWrite down what you expect, then run it and compare."),
            problem,
        ]
    )
    return (problem,)


@app.cell
def _(ENDS, descent, mo, place, problem):
    curves = list(dict.fromkeys([*([place.data] if place.data else []), "parabola", *place.offered()]))
    points = mo.ui.dropdown(curves, value=curves[0], label="points")
    start = mo.ui.text(descent.STARTS[problem.value], label="start", max_length=100)
    rule = mo.ui.dropdown(descent.rules(), value="sgd", label="optimizer", searchable=True)
    rate = mo.ui.text("0.01", label="learning rate", max_length=30)
    more = mo.ui.text(placeholder="momentum=0.9", label="further options", max_length=200)
    steps = mo.ui.number(1, descent.MOST_STEPS, 1, value=50, label="steps")
    text = mo.ui.text_area(
        placeholder="I think that … because …", label="hypothesis", max_length=500, full_width=True, rows=2
    )
    expected = mo.ui.radio(list(ENDS), label="the loss …")
    target = mo.ui.number(value=0.01, label="target of the loss")
    write = mo.ui.run_button(label="Write it down")
    mo.vstack(
        [
            mo.hstack(
                [start, *([points] if "points" in problem.value and "through" in problem.value else [])],
                justify="start",
                wrap=True,
            ),
            mo.hstack([rule, rate, more, steps], justify="start", wrap=True),
            text,
            mo.hstack([expected, target], justify="start", wrap=True),
            write,
        ]
    )
    return expected, more, points, rate, rule, start, steps, target, text, write


@app.cell
def _(
    SteepestError,
    descent,
    expected,
    hypotheses,
    more,
    pages,
    place,
    points,
    problem,
    rate,
    rule,
    set_error,
    set_number,
    start,
    steps,
    target,
    text,
    write,
):
    if write.value:
        try:
            pages.check_points(points.value, problem.value, place)
            setting = descent.setting(
                problem.value,
                points.value,
                start.value,
                rule.value,
                rate.value,
                more.value,
                int(steps.value or 0),
            )
            added = hypotheses.write_down(
                setting, text.value, expected.value or "", pages.given(target.value)
            )
            set_error("")
            set_number(added.number)
        except SteepestError as _error:
            set_error(f"{_error.fact}. {_error.hint}")
    return


@app.cell
def _(get_error, get_number, mo, pages):
    run = mo.ui.run_button("success", label=f"Run hypothesis {get_number() or ''}", disabled=not get_number())
    mo.vstack([*([mo.callout(mo.md(pages.escaped(get_error())), "danger")] if get_error() else []), run])
    return (run,)


@app.cell
def _(SteepestError, descent, get_number, hypotheses, mo, pages, pictures, run, set_error):
    shown = []
    if run.value:
        try:
            done = hypotheses.run(get_number())
            path = descent.descend(done.setting)
            figures = [pictures.landscape(path), pictures.fit(path), pictures.losses(path, done.target)]
            shown = [mo.callout(mo.md(pages.judgement(done)), "success" if done.was_right else "warn")]
            shown += [
                mo.ui.plotly(each, config={"displayModeBar": False}) for each in figures if each is not None
            ]
        except SteepestError as _error:
            set_error(f"{_error.fact}. {_error.hint}")
    mo.vstack(shown)
    return (shown,)


@app.cell
def _(SteepestError, get_number, hypotheses, mo, pages, shown):
    _ = shown, get_number()
    try:
        known = hypotheses.read()
        found = mo.vstack(
            [mo.md(f"## Hypotheses\n{pages.score(known)}"), mo.ui.table(pages.table(known), selection=None)]
            if known
            else []
        )
    except SteepestError as _error:
        found = mo.callout(mo.md(pages.escaped(f"{_error.fact}. {_error.hint}")), "danger")
    found
    return


if __name__ == "__main__":
    app.run()
