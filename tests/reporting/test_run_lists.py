from retort.files import read_json, write_json
from retort.reporting.quirk_effects import quirk_effects
from retort.reporting.results import Results
from retort.reporting.rows import table_rows
from retort.reporting.run_lists import run_lists


def test_each_run_has_its_anchor_once_and_every_address_of_a_table_exists(results_root):
    results = Results(results_root)
    lists = run_lists(results)
    anchors = [line.anchor for listed in lists for line in listed.lines if line.anchor]
    assert sorted(anchors) == sorted(run.anchor for run in results.runs)
    there = (
        {listed.anchor for listed in lists}
        | {block for listed in lists for block, _ in listed.blocks}
        | set(anchors)
    )
    tasks = ["", *results.config.tasks]
    addresses = {row.address(task) for row in table_rows(results) for task in tasks} - {None}
    assert {address.removeprefix("#") for address in addresses} <= there
    assert len(addresses) > len(tasks)


def test_pretraining_comes_first_with_its_loss_and_tasks_have_scores(results_root):
    lists = run_lists(Results(results_root))
    assert lists[0].title == "Pretraining"
    assert {line.score for line in lists[0].lines} == {"loss 0.5"}
    assert {line.score for listed in lists[1:] for line in listed.lines} == {"61.0"}
    assert lists[0].seconds == 60 * len(lists[0].lines)


def test_a_run_that_two_rows_share_is_listed_twice_with_one_anchor(results_root):
    path = results_root / "glmd" / "scores.csv"
    path.write_text(path.read_text().replace("S1.task.PD.s1.PD-1", "S1.task.KD.s1.KD-1"))
    lines = [line for listed in run_lists(Results(results_root)) for line in listed.lines]
    shared = [line for line in lines if line.run.stage == "S1.task.KD.s1.KD-1"]
    assert len(shared) == 16
    assert len([line for line in shared if line.anchor]) == 8


def test_what_only_other_runs_need_is_listed_last(results_root):
    path = results_root / "glmd" / "scores.csv"
    kept = [line for line in path.read_text().splitlines() if ",GLM," not in line]
    path.write_text("\n".join(kept) + "\n")
    for card in (results_root / "stages/S1.task.KD.s1.KD-1").glob("tasks/*/card.json"):
        value = read_json(card)
        value["stage"]["teachers"] = ["GLM-1234"]
        write_json(card, value)
    last = run_lists(Results(results_root))[-1]
    assert last.title == "Assistants and first steps"
    assert {line.run.digest for line in last.lines} == {"GLM-1234"}


def test_variants_of_the_ablations_have_lists_too(results_root):
    path = results_root / "glmd" / "scores.csv"
    path.write_text(path.read_text().replace("student,PD,", "variant,PD,"))
    lists = {listed.anchor: listed for listed in run_lists(Results(results_root))}
    assert len(lists["run-pd-t1-s1"].lines) == 24
    assert list(lists)[-1] == "run-pd-t1-s1"


def test_a_switched_score_leads_to_its_runs(results_root):
    path = results_root / "glmd" / "scores.csv"
    path.write_text(path.read_text().replace("student,PD,", "quirk,KD [masked-means: fixed],"))
    results = Results(results_root)
    (line,) = quirk_effects(results).lines
    (link,) = {cell.link for cell in line.cells} - {None}
    lists = {listed.anchor: listed for listed in run_lists(results)}
    assert len(lists[link.removeprefix("#")].lines) == 24
