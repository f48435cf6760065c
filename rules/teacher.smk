# What students need of fine-tuned teachers: proof that they are good enough, and their signals.
# (Teachers are trained by the rules `pretrain` and `distill_task`, like everyone else.)
rule gates:
    input:
        [
            made_by(stage)
            for cell in plan.cells
            if cell.role == "teacher"
            for stage in cell.stages
        ],
    output:
        f"{RESULTS}/gates.json",
    log:
        f"{LOGS}/gates.log",
    priority: 100
    conda:
        "../envs/train.yaml"
    params:
        code=fingerprint(["retort.evaluation.gates:check_gates"]),
        gates=settings.gates.model_dump_json(),
        config=CONFIG,
    shell:
        "python scripts/check_gates.py --config {params.config} 2>&1 | tee {log}"


rule signals:
    input:
        f"{RESULTS}/stages/{{tuned}}/metrics.json",
        f"{TEXT}/summary.json",
    output:
        directory(f"{RESULTS}/signals/{{tuned}}"),
    log:
        f"{LOGS}/signals.{{tuned}}.log",
    priority: 100
    conda:
        "../envs/train.yaml"
    resources:
        gpu=lambda wildcards: gpus_of(wildcards.tuned),
        runtime=lambda wildcards, attempt: requests.signal_minutes(
            wildcards.tuned, attempt
        ),
        mem_mb=lambda wildcards, attempt: requests.megabytes(wildcards.tuned, attempt),
    params:
        code=fingerprint(["retort.training.signals:store_signals"]),
        config=CONFIG,
    shell:
        "python scripts/teacher_signals.py --config {params.config} --stage {wildcards.tuned}"
        " --threads {threads} 2>&1 | tee {log}"
