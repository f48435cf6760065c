# As many GPU jobs at the same time as the GPUs of this machine have places for, unless `--resources gpu=` says
# otherwise. Without it jobs that wait for a device would hold cores that other jobs could use, and would get
# devices in any order, not by priority. A cluster counts its own devices.
from retort.devices import places
from retort.errors import told

if (
    settings.device != "cpu"
    and workflow.local_exec
    and workflow.is_main_process
    and "gpu" not in workflow.global_resources
):
    with told():
        gpu_places = places(settings.jobs_per_gpu)
    if gpu_places:
        workflow.register_resource("gpu", gpu_places)
