# Raw data in official layouts, then tokens. Nothing after this knows where the data came from.
def raw_files():
    """Files of a data folder, so that a changed one is noticed; generated and fetched data have none."""
    if settings.data.source != "folder":
        return []
    root = Path(settings.data_root)
    named = [
        root / "superglue" / task / f"{split}.jsonl"
        for task in settings.tasks
        for split in ("train", "val")
    ]
    return [
        str(path)
        for path in (*named, *sorted((root / "corpus").glob("*.txt")))
        if path.exists()
    ]


rule data:
    input:
        raw_files(),
    output:
        f"{DATA}/manifest.json",
    log:
        f"{LOGS}/data.log",
    conda:
        "../envs/base.yaml"
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
    params:
        code=fingerprint(["retort.data.prepare:encode"]),
        config=CONFIG,
    shell:
        "python scripts/encode_text.py --config {params.config} 2>&1 | tee {log}"
