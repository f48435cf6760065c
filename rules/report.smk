# Tables, figures and the page; each exhibit is a file in three forms, made from result files alone.
rule table:
    input:
        f"{RESULTS}/glmd/scores.csv",
        f"{RESULTS}/glmd/hyper_parameters.csv",
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
        results=lambda wildcards: RESULTS,
        text=lambda wildcards: TEXT,
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
        results=lambda wildcards: RESULTS,
        text=lambda wildcards: TEXT,
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
        results=lambda wildcards: RESULTS,
        text=lambda wildcards: TEXT,
    shell:
        "python scripts/make_report.py --results {params.results} --text {params.text} 2>&1 | tee {log}"
