import numpy as np

from recloop.simulate import Memory


def test_what_lies_far_back_is_forgotten() -> None:
    memory = Memory.fresh(2, depth=4)
    user = np.array([1])
    for shown in ([1, 2], [1, -1], [3, 4]):
        memory.show(user, np.array([shown]))
    assert memory.shown[1].tolist() == [3, 4, 1, 1]
    assert memory.repeats(user, np.array([[1, 2, 3, -1]])).tolist() == [[2, 0, 1, 0]]
    assert (memory.shown[0] == -1).all()


def test_purchases_and_moods_belong_to_their_user() -> None:
    memory = Memory.fresh(3)
    memory.buy(np.array([0, 2]), np.array([[5, -1], [-1, -1]]))
    assert memory.owns(np.array([0, 1, 2]), np.array([[5]] * 3)).ravel().tolist() == [True, False, False]
    memory.feel(np.array([2]), np.array([1.0]), weight=0.5)
    assert memory.satisfaction.tolist() == [0.5, 0.5, 0.75]


def test_a_copy_stands_alone() -> None:
    memory = Memory.fresh(1)
    other = memory.copy()
    other.show(np.array([0]), np.array([[3]]))
    other.gone[0] = True
    assert not memory.gone[0]
    assert memory.repeats(np.array([0]), np.array([[3]])).item() == 0
