# The vocabulary map of students that keep part of the words.
rule vocabulary_map:
    input:
        f"{TEXT}/frequencies.tsv",
        lambda wildcards: made_by(mapped_stage(wildcards).mapped_by),
    output:
        f"{RESULTS}/vocabulary/{{mapped}}/map.safetensors",
    log:
        f"{LOGS}/vocabulary.{{mapped}}.log",
    priority: 90
    conda:
        "../envs/train.yaml"
    params:
        code=fingerprint(["retort.training.vocabularies:make_vocabulary"]),
        config=config_file,
        stage=lambda wildcards: mapped_stage(wildcards).id,
    shell:
        "python scripts/map_vocabulary.py --config {params.config} --stage {params.stage} 2>&1 | tee {log}"
