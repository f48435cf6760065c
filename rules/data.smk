# Raw data in official layouts, then tokens; the corpus and each task by itself, so that a change of one task
# leaves pretraining and the other tasks alone. Nothing after this knows where the data came from.
rule data:
    input:
        # What they hold decides, see the parameter; a touched file is no other file.
        lambda wildcards: ancient(raw_files(part_of(wildcards.raw))),
    output:
        f"{RESULTS}/data/{{raw}}/manifest.json",
    log:
        f"{LOGS}/data.{{raw}}.log",
    conda:
        "../envs/base.yaml"
    resources:
        runtime=lambda wildcards, attempt: requests.text_minutes(attempt),
        mem_mb=lambda wildcards, attempt: requests.text_megabytes(attempt),
    params:
        code=lambda wildcards: raw_code(part_of(wildcards.raw)),
        bytes=lambda wildcards: bytes_of(raw_files(part_of(wildcards.raw))),
        config=config_file,
        part=lambda wildcards: part_of(wildcards.raw),
    shell:
        "python scripts/prepare_data.py --config {params.config} --part {params.part} 2>&1 | tee {log}"


rule text:
    input:
        lambda wildcards: raw_of(CORPUS),
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
        code=lambda wildcards: encoding_code(CORPUS),
        config=config_file,
        part=CORPUS,
    shell:
        "python scripts/encode_text.py --config {params.config} --part {params.part} 2>&1 | tee {log}"


rule words:
    input:
        lambda wildcards: raws_of(part_of(wildcards.words)),
    output:
        f"{RESULTS}/text/{{words}}/summary.json",
        f"{RESULTS}/text/{{words}}/tokenizer.json",
    log:
        f"{LOGS}/text.{{words}}.log",
    conda:
        "../envs/base.yaml"
    resources:
        runtime=lambda wildcards, attempt: requests.text_minutes(attempt),
        mem_mb=lambda wildcards, attempt: requests.text_megabytes(attempt),
    params:
        code=lambda wildcards: encoding_code(part_of(wildcards.words)),
        config=config_file,
        part=lambda wildcards: part_of(wildcards.words),
    shell:
        "python scripts/encode_text.py --config {params.config} --part {params.part} 2>&1 | tee {log}"


rule examples:
    input:
        lambda wildcards: tokenizer_of(part_of(wildcards.task)),
        lambda wildcards: raws_of(part_of(wildcards.task)),
    output:
        f"{RESULTS}/text/{{task}}/summary.json",
    log:
        f"{LOGS}/text.{{task}}.log",
    conda:
        "../envs/base.yaml"
    params:
        code=lambda wildcards: encoding_code(part_of(wildcards.task)),
        config=config_file,
        part=lambda wildcards: part_of(wildcards.task),
    shell:
        "python scripts/encode_text.py --config {params.config} --part {params.part} 2>&1 | tee {log}"
