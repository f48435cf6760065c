# Raw data in official layouts, then tokens. Nothing after this knows where the data came from.
rule data:
    input:
        raw_files(),
    output:
        f"{DATA}/manifest.json",
    log:
        f"{LOGS}/data.log",
    conda:
        "../envs/base.yaml"
    resources:
        runtime=lambda wildcards, attempt: requests.text_minutes(attempt),
        mem_mb=lambda wildcards, attempt: requests.text_megabytes(attempt),
    params:
        code=fingerprint(["retort.data.prepare:provide"]),
        config=CONFIG,
    shell:
        "python scripts/prepare_data.py --config {params.config} 2>&1 | tee {log}"


rule text:
    input:
        f"{DATA}/manifest.json",
    output:
        f"{TEXT}/summary.json",
        f"{TEXT}/tokenizer.json",
        f"{TEXT}/frequencies.tsv",
    log:
        f"{LOGS}/text.log",
    conda:
        "../envs/base.yaml"
    resources:
        runtime=lambda wildcards, attempt: requests.text_minutes(attempt),
        mem_mb=lambda wildcards, attempt: requests.text_megabytes(attempt),
    params:
        code=fingerprint(["retort.data.prepare:encode"]),
        config=CONFIG,
    shell:
        "python scripts/encode_text.py --config {params.config} 2>&1 | tee {log}"
