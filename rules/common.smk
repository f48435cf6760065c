# What the rules share: which files a stage makes and needs.
# Device the training rules ask for; a CPU run must not queue for it.
GPU = 0 if settings.device == "cpu" else 1


def stage_folder(name):
    return f"{RESULTS}/stages/{name}"


def made_by(stage):
    """The file that stands for a finished stage."""
    name = "metrics.json" if stage.phase == "task" else "model.safetensors"
    return f"{stage_folder(stage.id)}/{name}"


def needed_by(name):
    """Files a stage reads: text, earlier stages, teacher signals, its vocabulary map, the gates."""
    stage = plan.stage(name)
    files = [f"{TEXT}/summary.json", *map(made_by, stage.ancestors())]
    if stage.compression is not None:
        files.append(str(layout.vocabulary(stage)))
    if stage.phase == "task" and stage.teachers:
        files.append(f"{RESULTS}/gates.json")
        files.extend(str(layout.signals(teacher)) for teacher in stage.teachers if teacher.phase == "task")
    return files


def code_of(name):
    return plan.code(plan.stage(name))


def is_teacher(name):
    return not plan.stage(name).teachers and plan.stage(name).seed == TEACHER_SEED


def last_stages(role):
    return [stage for cell in plan.cells if cell.role == role for stage in cell.stages]
