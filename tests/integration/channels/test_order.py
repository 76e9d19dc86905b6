"""Every epoch holds every picture once, in an order that a seed decides."""

from typing import Any

import pytest

COUNT, SIZE = 341, 32


@pytest.fixture(params=[1, 2], ids=["one file", "two files"])
def channels(request: Any, job: Any, draw_pictures: Any) -> Any:
    """Return the channels of a job with 341 pictures in one or two files."""
    job.write_rec("train", draw_pictures(COUNT), request.param)
    job.write_rec("validation", draw_pictures(COUNT, 1000), request.param)
    return job.read()[0]


def test_denominators_are_exact(channels: Any, make_batches: Any) -> None:
    """341 pictures at batch 32 are ten batches of 32 and one of 21, in training and validation, epoch for epoch."""
    for channel, augmented in ((channels.train, True), (channels.validation, False)):
        batches = make_batches(channel, SIZE, augmented=augmented)
        for epoch in range(2):
            found = list(batches.epoch(epoch))
            assert [len(batch.labels) for batch in found] == [32] * 10 + [21]
            assert [batch.number for batch in found] == list(range(len(batches)))
            assert len({name for batch in found for name in batch.names}) == COUNT


def _names(batches: Any, epoch: int) -> list[str]:
    return [name for batch in batches.epoch(epoch) for name in batch.names]


def test_order_by_epoch_and_seed(channels: Any, make_batches: Any) -> None:
    """The order differs by epoch and by seed, and repeats with both; validation keeps the channel's."""
    train = channels.train
    orders = {
        (seed, epoch): _names(make_batches(train, SIZE, seed, True), epoch) for seed in (0, 1) for epoch in (0, 1)
    }
    assert len({tuple(order) for order in orders.values()}) == 4
    assert _names(make_batches(train, SIZE, 1, True), 1) == orders[1, 1]
    validation = make_batches(channels.validation, SIZE)
    assert _names(validation, 0) == _names(validation, 1) == [each.name for each in channels.validation.samples]


def test_same_seed_same_bits(channels: Any, make_batches: Any) -> None:
    """Two epochs of one seed are equal bit for bit, augmentation included; those of another are not."""
    first, second, other = (
        b"".join(batch.pixels.tobytes() for batch in make_batches(channels.train, SIZE, seed, True).epoch(3))
        for seed in (4, 4, 5)
    )
    assert first == second != other


def test_every_picture_draws_for_itself(job: Any, draw_pictures: Any, make_batches: Any) -> None:
    """One picture many times over looks different each time, in every batch of every epoch."""
    job.write_rec("train", draw_pictures(1) * 60)
    job.write_rec("validation", draw_pictures(1, 1000))
    batches = make_batches(job.read()[0].train, 16, augmented=True)
    views = {pixels.tobytes() for epoch in (0, 1) for batch in batches.epoch(epoch) for pixels in batch.pixels}
    assert len(views) == 120


@pytest.mark.parametrize("first", [1, 7, 10, 11])
def test_beginning_in_the_middle(channels: Any, make_batches: Any, first: int) -> None:
    """An epoch that begins at a batch is the rest of the whole one: same pictures, same order, same pixels."""
    batches = make_batches(channels.train, SIZE, 2, True)
    whole, rest = list(batches.epoch(1))[first:], list(batches.epoch(1, first))
    assert len(rest) == 11 - first
    for one, other in zip(whole, rest, strict=True):
        assert (one.number, one.names, one.labels.tobytes()) == (other.number, other.names, other.labels.tobytes())
        assert one.pixels.tobytes() == other.pixels.tobytes()


def test_what_comes_before_is_not_decoded(channels: Any, make_batches: Any, monkeypatch: Any) -> None:
    """Batches that are passed over cost no reading."""
    read = []
    kind = type(channels.train.samples[0])
    whole = kind.read
    monkeypatch.setattr(kind, "read", lambda sample: read.append(sample.name) or whole(sample))
    assert sum(len(batch.names) for batch in make_batches(channels.train, SIZE, 0, True).epoch(0, 9)) == 53
    assert len(read) == 53


def test_two_hosts_with_a_shard_each(tmp_path: Any, job: Any, draw_pictures: Any, make_batches: Any) -> None:
    """Two hosts with a shard each see every picture once between them."""
    drawn = draw_pictures(COUNT)
    seen = []
    for host, shard in enumerate((drawn[:170], drawn[170:])):
        of_host = type(job)(tmp_path / f"host-{host}")
        of_host.write_rec("train", shard)
        of_host.write_rec("validation", shard[:4])
        of_host.configure("train", S3DistributionType="ShardedByS3Key")
        train = of_host.read(num_training_samples=COUNT)[0].train
        batches = list(make_batches(train, SIZE, 0, True).epoch(0))
        seen += [pixels.tobytes() for batch in batches for pixels in batch.labels]
        assert sum(len(batch.names) for batch in batches) == len(shard)
    assert len(seen) == COUNT
