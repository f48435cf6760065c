# Of fine-tuned teachers: proof that all of them are good enough, and the signals that students need.
# (Teachers are trained by the rules `pretrain` and `distill_task`, like everyone else.)


# No student waits for this: it judges its own teachers before it learns (scripts/distill_task.py). Other gates
# are then no reason to train, and a teacher that is late holds up its own students alone.
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
        gates=least_scores(),
        config=config_file,
    shell:
        "python scripts/check_gates.py --config {params.config} 2>&1 | tee {log}"


rule signals:
    input:
        lambda wildcards: models_of(plan.stage(wildcards.tuned)),
        lambda wildcards: [
            text_folder(run.text) for run in plan.stage(wildcards.tuned).runs.values()
        ],
    output:
        directory(f"{RESULTS}/signals/{{tuned}}"),
    log:
        f"{LOGS}/signals.{{tuned}}.log",
    priority: 100
    conda:
        "../envs/train.yaml"
    resources:
        gpu=GPU,
        runtime=lambda wildcards, attempt: requests.signal_minutes(
            wildcards.tuned, attempt
        ),
        mem_mb=lambda wildcards, attempt: requests.megabytes(wildcards.tuned, attempt),
    params:
        code=lambda wildcards: signals_code(plan.stage(wildcards.tuned)),
        config=config_file,
    shell:
        "python scripts/teacher_signals.py --config {params.config} --stage {wildcards.tuned}"
        " --threads {threads} 2>&1 | tee {log}"
