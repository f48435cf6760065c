# Tables, figures and the page; each exhibit is a file in three forms, made from result files alone.
TABLES = {
    "table2": "retort.reporting.table2:table2",
    "table3": "retort.reporting.table3:table3",
}
TABLES |= {
    "table3_held_out": TABLES["table3"],
    "table9": "retort.reporting.table9:table9",
}
FIGURES = {name: f"retort.reporting.{name}" for name in ("figure2", "figure3")}


def exhibits():
    tables = expand(
        f"{RESULTS}/glmd/tables/{{name}}.{{kind}}",
        name=TABLES,
        kind=("csv", "md", "tex"),
    )
    figures = expand(
        f"{RESULTS}/glmd/figures/{{name}}.{{kind}}", name=FIGURES, kind=("png", "svg")
    )
    return [*tables, *figures, f"{RESULTS}/report/index.html"]


def drawn_from(name):
    """Files a figure reads besides the text: figure 2 needs what was measured while students pretrained."""
    if name != "figure2":
        return []
    return [
        f"{stage_folder(stage.id)}/log.jsonl"
        for stage in plan.stages.values()
        if stage.phase == "pretraining" and stage.teachers
    ]


rule table:
    input:
        f"{RESULTS}/glmd/scores.csv",
    output:
        expand(
            f"{RESULTS}/glmd/tables/{{{{table}}}}.{{kind}}", kind=("csv", "md", "tex")
        ),
    log:
        f"{LOGS}/{{table}}.log",
    conda:
        "../envs/report.yaml"
    params:
        code=lambda wildcards: fingerprint(
            [TABLES[wildcards.table], "retort.reporting.tables:write_table"]
        ),
        results=RESULTS,
        text=TEXT,
    shell:
        "python scripts/make_table.py {wildcards.table} --results {params.results} --text {params.text}"
        " 2>&1 | tee {log}"


rule figure:
    input:
        f"{TEXT}/summary.json",
        f"{RESULTS}/glmd/scores.csv",
        lambda wildcards: drawn_from(wildcards.figure),
    output:
        expand(f"{RESULTS}/glmd/figures/{{{{figure}}}}.{{kind}}", kind=("png", "svg")),
    log:
        f"{LOGS}/{{figure}}.log",
    conda:
        "../envs/report.yaml"
    params:
        code=lambda wildcards: fingerprint(
            [FIGURES[wildcards.figure], "retort.reporting.style"]
        ),
        results=RESULTS,
        text=TEXT,
    shell:
        "python scripts/make_figure.py {wildcards.figure} --results {params.results} --text {params.text}"
        " 2>&1 | tee {log}"


rule report:
    input:
        expand(f"{RESULTS}/glmd/tables/{{name}}.csv", name=TABLES),
        expand(f"{RESULTS}/glmd/figures/{{name}}.png", name=FIGURES),
        f"{RESULTS}/gates.json",
    output:
        f"{RESULTS}/report/index.html",
    log:
        f"{LOGS}/report.log",
    conda:
        "../envs/report.yaml"
    params:
        code=fingerprint(["retort.reporting.page:write_page"]),
        results=RESULTS,
        text=TEXT,
    shell:
        "python scripts/make_report.py --results {params.results} --text {params.text} 2>&1 | tee {log}"
