# Tables, figures, claims and the page; each exhibit is a file in three forms, made from result files alone.
rule table:
    input:
        f"{RESULTS}/glmd/scores.csv",
        f"{RESULTS}/glmd/hyper_parameters.csv",
        lambda wildcards: (
            f"{RESULTS}/glmd/claims.csv" if wildcards.table == "claims" else []
        ),
    output:
        report(
            f"{RESULTS}/glmd/tables/{{table}}.csv",
            caption="captions/table.rst",
            category="Tables",
            labels={"table": "{table}"},
        ),
        expand(f"{RESULTS}/glmd/tables/{{{{table}}}}.{{kind}}", kind=("md", "tex")),
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
        config=config_file,
    shell:
        "python scripts/make_table.py {wildcards.table} --results {params.results} --text {params.text}"
        " --config {params.config} 2>&1 | tee {log}"


rule figure:
    input:
        f"{TEXT}/summary.json",
        f"{RESULTS}/glmd/scores.csv",
        lambda wildcards: drawn_from(wildcards.figure),
    output:
        f"{RESULTS}/glmd/figures/{{figure}}.png",
        report(
            f"{RESULTS}/glmd/figures/{{figure}}.svg",
            caption="captions/figure.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
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
        config=config_file,
    shell:
        "python scripts/make_figure.py {wildcards.figure} --results {params.results} --text {params.text}"
        " --config {params.config} 2>&1 | tee {log}"


rule claims:
    input:
        f"{RESULTS}/glmd/scores.csv",
        expand(f"{RESULTS}/glmd/figures/{{name}}.png", name=FIGURES),
        ledger="resources/claims/glmd.yaml",
    output:
        f"{RESULTS}/glmd/claims.csv",
    log:
        f"{LOGS}/claims.log",
    conda:
        "../envs/report.yaml"
    params:
        code=fingerprint(
            ["retort.claims.judging:judge", "retort.claims.writing:write_claims"]
        ),
        results=lambda wildcards: RESULTS,
        text=lambda wildcards: TEXT,
        config=config_file,
    shell:
        "python scripts/judge_claims.py --results {params.results} --text {params.text} --ledger {input.ledger}"
        " --config {params.config} 2>&1 | tee {log}"


rule report:
    input:
        expand(f"{RESULTS}/glmd/tables/{{name}}.csv", name=TABLES),
        expand(f"{RESULTS}/glmd/figures/{{name}}.png", name=FIGURES),
        f"{RESULTS}/gates.json",
    output:
        report(
            f"{RESULTS}/report/index.html",
            caption="captions/page.rst",
            category="Page",
            labels={"page": "index.html"},
        ),
    log:
        f"{LOGS}/report.log",
    conda:
        "../envs/report.yaml"
    params:
        code=fingerprint(["retort.reporting.page:write_page"]),
        templates=templates(),
        results=lambda wildcards: RESULTS,
        text=lambda wildcards: TEXT,
        config=config_file,
    shell:
        "python scripts/make_report.py --results {params.results} --text {params.text}"
        " --config {params.config} 2>&1 | tee {log}"
