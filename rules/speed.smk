# Time of teachers and students on a batch. Weights are random, so nobody has to be trained first: only the words
# of each track are needed, whose number decides the largest matrix.
rule speed:
    input:
        [text_of(text_part("cka", track)) for track in settings.cka.tracks],
    output:
        f"{RESULTS}/cka/speed.csv",
    log:
        f"{LOGS}/speed.log",
    conda:
        "../envs/train.yaml"
    resources:
        gpu=GPU,
    params:
        code=fingerprint(["retort.evaluation.speed:measure_speed"]),
        models=digest_of(
            [
                track.model_dump(
                    mode="json", include={"family", "models", "teachers", "tasks"}
                )
                for track in settings.cka.tracks.values()
            ]
        ),
        config=config_file,
    shell:
        "python scripts/measure_speed.py --config {params.config} --threads {threads} 2>&1 | tee {log}"
