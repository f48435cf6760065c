# Tables, figures and the page.
def exhibits():
    return [f"{RESULTS}/glmd/scores.csv"]
