"""Groups, on the real loop: commits happen in a thread."""

import asyncio
import threading

import pytest

from rtms_engine.coordination.group_commit import MOST_TOGETHER, GroupCommit


class Book:
    """A store that notes which groups it was given, and may be held up."""

    def __init__(self):
        self.groups = []
        self.go = threading.Event()
        self.go.set()
        self.threads = set()

    def commit(self, operations):
        self.threads.add(threading.get_ident())
        assert self.go.wait(10)
        self.groups.append(len(operations))
        return [operation(self) for operation in operations]


@pytest.fixture
def book():
    return Book()


async def test_what_comes_alone_is_committed_at_once(book):
    work = GroupCommit(book.commit)
    assert await work.submit(lambda _: "one") == "one"
    assert await work.submit(lambda _: "two") == "two"
    assert book.groups == [1, 1]
    await work.close(lambda: None)


async def test_what_waits_goes_together_and_in_order(book):
    work = GroupCommit(book.commit)
    book.go.clear()
    futures = [work.submit(lambda _, n=n: n) for n in range(100)]
    assert repr(work) == "<GroupCommit commits=1 waiting=99>"
    book.go.set()
    assert await asyncio.gather(*futures) == list(range(100))
    assert book.groups == [1, 99]
    assert len(book.threads) == 1
    assert threading.get_ident() not in book.threads
    await work.close(lambda: None)


async def test_a_group_has_an_upper_bound(book):
    work = GroupCommit(book.commit)
    await asyncio.gather(*[work.submit(lambda _: None) for _ in range(MOST_TOGETHER + 2)])
    assert book.groups == [1, MOST_TOGETHER, 1]
    await work.close(lambda: None)


async def test_a_failed_group_fails_for_all_of_it_and_only_for_it(book):
    work = GroupCommit(book.commit)
    before = work.submit(lambda _: "before")
    together = [work.submit(lambda _: 1), work.submit(lambda _: 1 / 0), work.submit(lambda _: 3)]
    assert await before == "before"
    results = await asyncio.gather(*together, return_exceptions=True)
    assert [type(result) for result in results] == [ZeroDivisionError] * 3
    assert await work.submit(lambda _: "after") == "after"
    await work.close(lambda: None)


async def test_a_cancelled_operation_is_carried_out_all_the_same(book):
    work = GroupCommit(book.commit)
    done = []
    book.go.clear()
    under_way, waiting = work.submit(lambda _: done.append(1)), work.submit(lambda _: done.append(2))
    under_way.cancel()
    waiting.cancel()
    book.go.set()
    await work.close(lambda: done.append("closed"))
    assert done == [1, 2, "closed"]


async def test_what_undoes_an_operation_comes_before_all_that_waits(book):
    work = GroupCommit(book.commit)
    done = []
    one = work.submit(lambda _: done.append("one"))
    one.add_done_callback(lambda _: work.submit(lambda _: done.append("undone"), first=True))
    await work.submit(lambda _: done.append("two"))
    assert done == ["one", "undone", "two"]
    await work.close(lambda: None)
