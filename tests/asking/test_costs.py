"""Answers with a price, people with faults, and items worth a second label."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.core.errors import SettingError, ShapeError, StrategyError
from querist.core.types import Pool
from querist.stages.human_labeling.relabel import relabel_or_new
from querist.stages.human_labeling.reliability import agreement, dawid_skene, expected_gain, whom_to_ask
from querist.stages.query_strategy.ask import ask
from querist.stages.query_strategy.costs import PerCost, score_per_cost
from querist.testing.strategies import make_pool


def rng(seed=0):
    return np.random.default_rng(seed)


# score per cost


def test_a_cheap_answer_may_come_before_a_better_one():
    pool = Pool(4, scores=np.array([0.9, 0.8, 0.3, 0.1]), costs=np.array([3.0, 1.0, 0.5, 1.0]))
    chosen = ask(PerCost(), pool, 2, rng())
    assert chosen.indices.tolist() == [1, 2]  # 0.3, 0.8, 0.6, 0.1 for each unit
    assert chosen.scores.tolist() == [0.8, 0.3]
    assert chosen.thresholds["cost"] == 1.5
    assert chosen.reasons == ["costs 1", "costs 0.5"]


def test_one_price_for_all_changes_nothing():
    pool = make_pool(40, costs=np.full(40, 2.5))
    assert ask(PerCost(), pool, 7, rng()).indices.tolist() == ask(PerCost(), pool, 7, rng(1)).indices.tolist()
    best = np.argsort(-pool.scores)[:7]
    assert ask(PerCost(), pool, 7, rng()).indices.tolist() == best.tolist()


def test_scores_below_zero_do_not_turn_the_order_round():
    assert score_per_cost(np.array([-2.0, -1.0]), np.array([1.0, 4.0])).tolist() == [0, 0.25]


def test_any_strategy_that_ranks_by_scores_can_be_priced():
    assert len(ask(PerCost(of="kmeans", params={"clusters": 3}), make_pool(40), 6, rng()).indices) == 6
    assert PerCost(of="entropy").needs == {"proba", "costs"}
    with pytest.raises(SettingError, match="'random' of strategy per_cost does not rank by scores"):
        PerCost(of="random")


@pytest.mark.parametrize("cost", [0.0, -1.0])
def test_a_price_of_nothing_is_refused(cost):
    with pytest.raises(ShapeError, match=f"above 0, got {cost} for item 1"):
        ask(PerCost(), make_pool(3, costs=np.array([1.0, cost, 1.0])), 1, rng())


def test_a_pool_without_prices_is_refused():
    with pytest.raises(StrategyError, match="needs costs, and this pool has none"):
        ask(PerCost(), make_pool(3, costs=None), 1, rng())


# reliability


def simulated(n_items=400, accuracies=(0.95, 0.8, 0.6), n_classes=3, share=0.7, seed=0):
    generator = rng(seed)
    truth = generator.integers(n_classes, size=n_items)
    table = np.full((n_items, len(accuracies)), -1)
    for person, accuracy in enumerate(accuracies):
        wrong = (truth + generator.integers(1, n_classes, size=n_items)) % n_classes
        answers = np.where(generator.random(n_items) < accuracy, truth, wrong)
        table[:, person] = np.where(generator.random(n_items) < share, answers, -1)
    return truth, table


def test_accuracies_and_truth_are_found_from_annotations_alone():
    truth, table = simulated(1500, accuracies=(0.95, 0.8, 0.6, 0.75))
    found = dawid_skene(table, 3)
    assert found.accuracy == pytest.approx([0.95, 0.8, 0.6, 0.75], abs=0.05)
    known = (table >= 0).any(axis=1)
    votes = np.stack([(table == c).sum(axis=1) for c in range(3)], axis=1).argmax(axis=1)
    assert (found.proba.argmax(axis=1) == truth)[known].mean() > (votes == truth)[known].mean()
    assert found.proba.sum(axis=1) == pytest.approx(1)
    assert found.confusion.sum(axis=2) == pytest.approx(1)


def test_one_round_of_dawid_skene_by_hand():
    # three who agree on class 0, then two against one: the majority's accuracy makes its class likelier
    table = np.array([[0, 0, 0], [1, 1, 1], [0, 0, 1]])
    found = dawid_skene(table, 2)
    assert found.proba.argmax(axis=1).tolist() == [0, 1, 0]
    assert found.accuracy[2] < found.accuracy[0]


def test_someone_with_few_annotations_is_near_the_average():
    table = np.full((50, 3), 0)
    table[::2, :2] = 1
    table[::2, 2], table[1::2, 2] = 1, 0
    table[1:, 2] = -1  # one annotation, right
    table[0, 2] = 0  # and now wrong
    assert 0.5 < dawid_skene(table, 2).accuracy[2] < 0.95
    assert agreement(table, 2)[2] == pytest.approx((0 + 2 * (98 / 102)) / (2 + 2), abs=0.02)


def test_agreement_by_hand():
    table = np.array([[0, 0, 1], [1, 1, -1], [2, -1, -1]])
    # pairs as each person meets them: a-b same, a-c not, b-c not; a-b same
    assert agreement(table, 3, strength=0.0).tolist() == pytest.approx([2 / 3, 2 / 3, 0])
    assert agreement(table[2:], 3).tolist() == [1, 1, 1]


def test_people_who_answer_at_random_tell_nothing():
    confusion = np.array([np.eye(2), np.full((2, 2), 0.5)])
    gain = expected_gain(np.array([[0.5, 0.5], [1.0, 0.0]]), confusion)
    assert gain == pytest.approx(np.array([[np.log(2), 0], [0, 0]]))


def test_the_best_for_the_price_is_asked_and_nobody_twice():
    _, table = simulated(300, accuracies=(0.95, 0.8, 0.6), share=0.6)
    found = dawid_skene(table, 3)
    doubtful = np.full_like(found.proba, 1 / 3)
    person, gain = whom_to_ask(doubtful, found, table)
    for item in range(300):
        left = [p for p in range(3) if table[item, p] < 0]
        assert person[item] == (left[0] if left else -1)  # they stand best first
        assert (gain[item] > 0) == bool(left)
    dear, _ = whom_to_ask(doubtful, found, table, costs=np.array([50.0, 1.0, 50.0]))
    assert (dear[table[:, 1] < 0] == 1).all()


@pytest.mark.parametrize("table", [np.array([0, 1]), np.array([[0.5]]), np.array([[3]]), np.array([[-2]])])
def test_tables_that_cannot_be_are_refused(table):
    with pytest.raises(ShapeError, match="annotations"):
        dawid_skene(table, 3)


# relabel or new


def activelab(table, proba, new):
    """The formulas of Goh and Mueller (2023) item by item, as cleanlab has them, without its temperature."""
    n_items, n_people = table.shape
    n_classes = proba.shape[1]
    given = [[p for p in range(n_people) if table[i, p] >= 0] for i in range(n_items)]

    def majority(i):
        votes = [sum(table[i, p] == c for p in given[i]) for c in range(n_classes)]
        return max((c for c in range(n_classes) if votes[c] == max(votes)), key=lambda c: proba[i, c])

    def stats(consensus):
        several = [i for i in range(n_items) if len(given[i]) > 1]
        labels = [consensus[i] for i in several]
        commonest = max(range(n_classes), key=lambda c: (labels.count(c), -c))
        chance = max(np.mean([label != commonest for label in labels]), 1e-6)
        likely = np.mean([np.mean([table[i, p] == consensus[i] for p in given[i]]) for i in several])
        unlikely = (1 - likely) / (n_classes - 1)
        agrees = []
        for person in range(n_people):
            met = [(i, o) for i in range(n_items) if person in given[i] for o in given[i] if o != person]
            agrees.append(np.mean([table[i, person] == table[i, o] for i, o in met]) if met else np.nan)
        agrees = [np.nanmean(agrees) if np.isnan(a) else a for a in agrees]
        people = [max(1 - (1 - a) / chance, 1e-6) for a in agrees]
        model = max(1 - np.mean([proba[i].argmax() != consensus[i] for i in several]) / chance, 1e-6)
        model *= np.sqrt(np.mean([len(g) for g in given]))
        posterior = np.zeros((n_items, n_classes))
        for i in range(n_items):
            for c in range(n_classes):
                views = [likely if table[i, p] == c else unlikely for p in given[i]]
                posterior[i, c] = np.average([proba[i, c], *views], weights=[model, *(people[p] for p in given[i])])
        return people, model, posterior

    first = [majority(i) for i in range(n_items)]
    posterior = stats(first)[2]
    consensus = [int(posterior[i].argmax()) for i in range(n_items)]
    people, model, posterior = stats(consensus)
    labeled = [
        np.average(
            [posterior[i, consensus[i]], 1 / n_classes],
            weights=[sum(people[p] for p in given[i]) + model, np.mean(people)],
        )
        for i in range(n_items)
    ]
    unlabeled = [np.average([row.max(), 1 / n_classes], weights=[model, np.mean(people)]) for row in new]
    return np.array(labeled), np.array(unlabeled), consensus


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000))
def test_scores_are_one_minus_those_of_activelab(seed):
    generator = rng(seed)
    truth, table = simulated(25, accuracies=(0.9, 0.8, 0.5), seed=seed)
    table[np.arange(25), generator.integers(3, size=25)] = truth  # nobody's item is without a label
    proba = generator.dirichlet(np.ones(3), 25) / 2 + np.eye(3)[truth] / 2
    new = generator.dirichlet(np.ones(3), 10)
    again, fresh, consensus = relabel_or_new(table, proba, new)
    their_labeled, their_new, their_consensus = activelab(table, proba, new)
    assert again == pytest.approx(1 - their_labeled)
    assert fresh == pytest.approx(1 - their_new)
    assert consensus.tolist() == their_consensus


def test_a_disputed_item_comes_before_a_sure_new_one_and_an_open_new_one_before_an_agreed():
    table = np.array([[0, 0, 0], [1, 1, 1], [0, 1, -1], [1, 1, -1], [0, 0, -1]])
    proba = np.array([[0.9, 0.1], [0.1, 0.9], [0.5, 0.5], [0.2, 0.8], [0.8, 0.2]])
    again, new, consensus = relabel_or_new(table, proba, np.array([[0.99, 0.01], [0.5, 0.5]]))
    assert consensus[[0, 1, 3, 4]].tolist() == [0, 1, 1, 0]
    assert again.argmax() == 2
    assert again[2] > new[0]
    assert new[1] > again[[0, 1, 3, 4]].max()
    assert again[0] < again[4]  # a third who agrees


def test_with_one_annotation_each_the_model_judges():
    table = np.array([[0], [0]])
    again, new, _ = relabel_or_new(table, np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[0.6, 0.4]]))
    assert again == pytest.approx([1 - (0.9 * 2 + 0.5) / 3, 1 - (0.2 * 2 + 0.5) / 3])
    assert new == pytest.approx([1 - (0.6 + 0.5) / 2])


def test_an_item_without_any_annotation_belongs_to_the_new_ones():
    with pytest.raises(ShapeError, match="item 1 of the labeled ones has no annotation"):
        relabel_or_new(np.array([[0], [-1]]), np.full((2, 2), 0.5), np.full((1, 2), 0.5))
