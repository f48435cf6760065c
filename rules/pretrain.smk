# Pretraining stages: teachers, students by themselves, students distilled on the corpus.
rule pretrain:
    input:
        lambda wildcards: needed_by(wildcards.pretrained),
    output:
        model=f"{RESULTS}/stages/{{pretrained}}/model.safetensors",
        card=f"{RESULTS}/stages/{{pretrained}}/card.json",
        log=f"{RESULTS}/stages/{{pretrained}}/log.jsonl",
        distances=f"{RESULTS}/stages/{{pretrained}}/distances.jsonl",
    log:
        f"{LOGS}/{{pretrained}}.log",
    priority: 80
    conda:
        "../envs/train.yaml"
    threads: lambda wildcards: processes_of(wildcards.pretrained)
    resources:
        gpu=lambda wildcards: gpus_of(wildcards.pretrained),
        processes=lambda wildcards: processes_of(wildcards.pretrained),
        runtime=lambda wildcards, attempt: requests.minutes(
            wildcards.pretrained, attempt
        ),
        mem_mb=lambda wildcards, attempt: requests.megabytes(
            wildcards.pretrained, attempt
        ),
    params:
        code=lambda wildcards: code_of(wildcards.pretrained),
        bytes=lambda wildcards: bytes_of(
            imported_files(plan.stage(wildcards.pretrained))
        ),
        config=config_file,
    shell:
        LAUNCH
        + " scripts/pretrain.py --config {params.config} --stage {wildcards.pretrained}"
        " --threads {threads} 2>&1 | tee {log}"
