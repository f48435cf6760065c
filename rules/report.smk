# Tables, figures, claims and the page; each exhibit is a file in three forms, made from result files alone.
rule table:
    input:
        lambda wildcards: shown_in(
            exhibits_of(wildcards.paper).tables[wildcards.table], wildcards.paper
        ),
    output:
        report(
            f"{RESULTS}/{{paper}}/tables/{{table}}.csv",
            caption="captions/table.rst",
            category="Tables",
            subcategory="{paper}",
            labels={"table": "{table}"},
        ),
        expand(
            f"{RESULTS}/{{{{paper}}}}/tables/{{{{table}}}}.{{kind}}",
            kind=("md", "tex"),
        ),
    log:
        f"{LOGS}/{{paper}}.{{table}}.log",
    conda:
        "../envs/report.yaml"
    params:
        code=lambda wildcards: fingerprint(
            [
                exhibits_of(wildcards.paper).tables[wildcards.table].code,
                "retort.reporting.tables:write_table",
            ]
        ),
        template=templates("*.tex.j2"),
        settings=plan.digest,  # exhibits show the configuration itself
        results=lambda wildcards: RESULTS,
        config=config_file,
    shell:
        "python scripts/make_table.py {wildcards.table} --paper {wildcards.paper}"
        " --results {params.results} --config {params.config} 2>&1 | tee {log}"


rule figure:
    input:
        lambda wildcards: shown_in(
            exhibits_of(wildcards.paper).figures[wildcards.figure], wildcards.paper
        ),
    output:
        f"{RESULTS}/{{paper}}/figures/{{figure}}.png",
        f"{RESULTS}/{{paper}}/figures/{{figure}}.csv",
        report(
            f"{RESULTS}/{{paper}}/figures/{{figure}}.svg",
            caption="captions/figure.rst",
            category="Figures",
            subcategory="{paper}",
            labels={"figure": "{figure}"},
        ),
    log:
        f"{LOGS}/{{paper}}.{{figure}}.log",
    conda:
        "../envs/report.yaml"
    params:
        code=lambda wildcards: fingerprint(
            [
                exhibits_of(wildcards.paper).figures[wildcards.figure].code,
                "retort.reporting.exhibits:save_drawing",
            ]
        ),
        settings=plan.digest,  # exhibits show the configuration itself
        results=lambda wildcards: RESULTS,
        config=config_file,
    shell:
        "python scripts/make_figure.py {wildcards.figure} --paper {wildcards.paper}"
        " --results {params.results} --config {params.config} 2>&1 | tee {log}"


rule claims:
    input:
        lambda wildcards: judged_from(wildcards.paper),
        ledger="resources/claims/{paper}.yaml",
    output:
        f"{RESULTS}/{{paper}}/claims.csv",
    log:
        f"{LOGS}/{{paper}}.claims.log",
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
        "python scripts/judge_claims.py --paper {wildcards.paper} --ledger {input.ledger}"
        " --results {params.results} --config {params.config} 2>&1 | tee {log}"


rule report:
    input:
        tables(("csv",)),
        figures(("svg",)),
        expand(f"{RESULTS}/{{paper}}/claims.csv", paper=shown()),
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
