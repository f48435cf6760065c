# Tables, figures, claims and the page; each exhibit is a file in three forms, made from result files alone.
rule table:
    input:
        lambda wildcards: shown_in(TABLES[wildcards.table]),
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
            [TABLES[wildcards.table].code, "retort.reporting.tables:write_table"]
        ),
        template=templates("*.tex.j2"),
        settings=plan.digest,  # exhibits show the configuration itself
        results=lambda wildcards: RESULTS,
        config=config_file,
    shell:
        "python scripts/make_table.py {wildcards.table} --results {params.results}"
        " --config {params.config} 2>&1 | tee {log}"


rule figure:
    input:
        lambda wildcards: shown_in(FIGURES[wildcards.figure]),
    output:
        f"{RESULTS}/glmd/figures/{{figure}}.png",
        f"{RESULTS}/glmd/figures/{{figure}}.csv",
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
            [
                FIGURES[wildcards.figure].code,
                "retort.reporting.exhibits:save_drawing",
            ]
        ),
        settings=plan.digest,  # exhibits show the configuration itself
        results=lambda wildcards: RESULTS,
        config=config_file,
    shell:
        "python scripts/make_figure.py {wildcards.figure} --results {params.results}"
        " --config {params.config} 2>&1 | tee {log}"


rule claims:
    input:
        f"{RESULTS}/glmd/scores.csv",
        lambda wildcards: scored(),
        lambda wildcards: text_of(CORPUS),
        expand(f"{RESULTS}/glmd/figures/{{name}}.csv", name=JUDGED),
        JUDGED_BY,
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
        settings=plan.digest,  # exhibits show the configuration itself
        results=lambda wildcards: RESULTS,
        config=config_file,
    shell:
        "python scripts/judge_claims.py --results {params.results} --ledger {input.ledger}"
        " --config {params.config} 2>&1 | tee {log}"


rule report:
    input:
        expand(f"{RESULTS}/glmd/tables/{{name}}.csv", name=TABLES),
        expand(f"{RESULTS}/glmd/figures/{{name}}.svg", name=FIGURES),
        f"{RESULTS}/glmd/claims.csv",
        f"{RESULTS}/gates.json",
        [models_of(stage) for stage in plan.stages.values()],
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
        settings=plan.digest,  # exhibits show the configuration itself
        templates=templates("*"),
        results=lambda wildcards: RESULTS,
        config=config_file,
    shell:
        "python scripts/make_report.py --results {params.results} --config {params.config} 2>&1 | tee {log}"
