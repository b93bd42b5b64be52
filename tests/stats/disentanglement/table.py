"""All scores on the codes whose disentanglement is known: `python -m tests.stats.disentanglement.table`."""

from tests.stats.disentanglement.cases import ALL_SCORES, cases, factors

from vaescope.stats.code_score import CODE_SCORES, scores


def table():
    """Case -> scores."""
    f = factors()
    return {case: scores(codes, f) for case, codes in cases(f).items()}


def lines(found):
    """The table in Markdown."""
    titles = [CODE_SCORES[s].title for s in ALL_SCORES]
    yield "| codes | " + " | ".join(titles) + " |"
    yield "|---" * (len(titles) + 1) + "|"
    for case, values in found.items():
        yield f"| {case} | " + " | ".join(f"{values[s]:.2f}" for s in ALL_SCORES) + " |"


if __name__ == "__main__":
    print("\n".join(lines(table())))
