import asyncio
import threading
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from api_schemas.card import Preprocessing
from model import pixels
from model.encoder import SHIPPED_MODEL, Embeddings, Encoder
from service.batcher import Batcher
from service.cache import LruCache
from service.embedder import INLINE_HASH_BYTES, Embedder
from service.errors import InvalidImage, Overloaded, ShuttingDown

MODEL = SimpleNamespace(
    fingerprint="0123456789abcdef",
    card=SimpleNamespace(
        preprocessing=Preprocessing(input_size=16, fit="pad", mean=(0, 0, 0), std=(1, 1, 1))
    ),
)


def drawn(shade, side=16, **save):
    file = BytesIO()
    Image.new("RGB", (side, side), (shade, shade, shade)).save(file, "PNG", **save)
    return file.getvalue()


def shade_of(embedding):
    return int(embedding.vectors[0, 0])


class ShadeEncoder:
    """Answers each image with its grey level; stands still while `gate` is closed."""

    def __init__(self):
        self.gate = threading.Event()
        self.gate.set()
        self.entered = False
        self.shades = []

    def __call__(self, items):
        self.entered = True
        self.gate.wait()
        shades = np.array([item[0, 0, 0] for item in items], np.float32)
        self.shades += shades.tolist()
        row = shades[:, None]
        return Embeddings(row[:, :, None], row, row, row[:, :, None, None], row)


class Service:
    """An embedder on real parts, but for the network."""

    def __init__(self, *, max_batch=4, queue_size=16, cache_bytes=1 << 20):
        self.encode = ShadeEncoder()
        self.batcher = Batcher(encode=self.encode, max_batch=max_batch, queue_size=queue_size)
        self.cache = LruCache(cache_bytes)
        self.embedder = Embedder(MODEL, self.batcher, self.cache)

    async def __aenter__(self):
        await self.batcher.__aenter__()
        return self

    async def __aexit__(self, *exc):
        self.encode.gate.set()
        await self.embedder.__aexit__(None, None, None)
        await self.batcher.__aexit__(None, None, None)


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 -- what it waits for happens in real parts
            await asyncio.sleep(0.001)


async def test_every_image_gets_its_own_embedding_in_order():
    shades = [9, 200, 31, 9, 77]
    async with Service() as service:
        embeddings = await service.embedder.embed_many([drawn(shade) for shade in shades])
    assert [shade_of(embedding) for embedding in embeddings] == shades


async def test_a_known_image_is_neither_decoded_nor_computed_again(monkeypatch):
    async with Service() as service:
        first = await service.embedder.embed(drawn(5))
        monkeypatch.setattr(service.embedder, "_decode", None)
        assert await service.embedder.embed(drawn(5)) is first
    assert service.encode.shades == [5]
    assert service.cache.stats.hits == 1


async def test_a_hit_never_leaves_the_event_loop():
    async with Service() as service:
        await service.embedder.embed(drawn(5))
        hit = service.embedder.embed(drawn(5))
        # A coroutine that never suspends ends on its first step.
        with pytest.raises(StopIteration) as ended:
            hit.send(None)
    assert shade_of(ended.value.value) == 5


async def test_an_image_too_large_to_hash_on_the_loop_has_the_same_key():
    # PNG without compression; trailing bytes do not matter to the decoder, but to the key.
    large = drawn(5) + bytes(INLINE_HASH_BYTES)
    async with Service() as service:
        alone = await service.embedder.embed(large)
        both = await service.embedder.embed_many([large, drawn(6)])
    assert both[0] is alone
    assert service.encode.shades == [5, 6]


async def test_identical_images_in_flight_are_computed_once():
    async with Service(cache_bytes=0) as service:
        service.encode.gate.clear()
        callers = [asyncio.create_task(service.embedder.embed(drawn(5))) for _ in range(6)]
        await until(lambda: service.embedder.in_flight == 1)
        service.encode.gate.set()
        embeddings = await asyncio.gather(*callers)
    assert service.encode.shades == [5]
    assert all(embedding is embeddings[0] for embedding in embeddings)


async def test_a_cancelled_caller_does_not_cancel_those_who_share_its_image():
    async with Service() as service:
        service.encode.gate.clear()
        leaver, stayer = (asyncio.create_task(service.embedder.embed(drawn(5))) for _ in range(2))
        await until(lambda: service.embedder.in_flight == 1)
        leaver.cancel()
        await asyncio.wait([leaver])
        service.encode.gate.set()
        assert shade_of(await stayer) == 5
    assert leaver.cancelled()


async def test_an_image_that_everybody_left_is_not_computed():
    async with Service() as service:
        service.encode.gate.clear()
        busy = asyncio.create_task(service.embedder.embed(drawn(1)))
        await until(lambda: service.encode.entered)
        left = [asyncio.create_task(service.embedder.embed(drawn(2))) for _ in range(2)]
        await until(lambda: service.embedder.in_flight == 2)
        for caller in left:
            caller.cancel()
        await asyncio.wait(left)
        assert service.embedder.in_flight == 1
        service.encode.gate.set()
        await busy
        assert shade_of(await service.embedder.embed(drawn(3))) == 3
    assert 2 not in service.encode.shades


async def test_an_unreadable_image_is_the_callers_fault_and_says_which():
    async with Service() as service:
        with pytest.raises(InvalidImage, match=r"^the file is empty"):
            await service.embedder.embed(b"")
        with pytest.raises(InvalidImage, match=r"^image 2 of 3: "):
            await service.embedder.embed_many([drawn(1), b"text called .jpg", drawn(2)])
        assert shade_of(await service.embedder.embed(drawn(3))) == 3


async def test_a_failed_image_is_tried_anew_next_time():
    async with Service() as service:
        images = [drawn(1)]
        decode = service.embedder._decode

        def fails_once(data):
            service.embedder._decode = decode
            raise pixels.UndecodableImage("out of luck")

        service.embedder._decode = fails_once
        with pytest.raises(InvalidImage, match="out of luck"):
            await service.embedder.embed_many(images)
        assert shade_of((await service.embedder.embed_many(images))[0]) == 1


async def test_a_full_house_refuses_new_images_before_decoding_them(monkeypatch):
    async with Service(queue_size=2) as service:
        service.encode.gate.clear()
        inside = [asyncio.create_task(service.embedder.embed(drawn(shade))) for shade in (1, 2)]
        await until(lambda: service.embedder.in_flight == 2)
        monkeypatch.setattr(service.embedder, "_decode", None)
        with pytest.raises(Overloaded, match="2 images are in flight"):
            await service.embedder.embed(drawn(3))
        shared = asyncio.create_task(service.embedder.embed(drawn(1)))
        service.encode.gate.set()
        embeddings = await asyncio.gather(*inside, shared)
    assert [shade_of(embedding) for embedding in embeddings] == [1, 2, 1]


async def test_a_request_larger_than_the_house_is_served_in_turns():
    shades = list(range(40))
    async with Service(max_batch=2, queue_size=3) as service:
        embeddings = await service.embedder.embed_many([drawn(shade) for shade in shades])
    assert [shade_of(embedding) for embedding in embeddings] == shades


async def test_one_large_request_leaves_room_for_others():
    async with Service(max_batch=2, queue_size=8) as service:
        service.encode.gate.clear()
        large = asyncio.create_task(service.embedder.embed_many([drawn(s) for s in range(40)]))
        await until(lambda: service.embedder.in_flight == 4)
        small = asyncio.create_task(service.embedder.embed(drawn(99)))
        await until(lambda: service.embedder.in_flight == 5)
        service.encode.gate.set()
        assert shade_of(await small) == 99
        await large


async def test_shutdown_answers_callers_in_flight():
    async with Service() as service:
        service.encode.gate.clear()
        caller = asyncio.create_task(service.embedder.embed(drawn(5)))
        await until(lambda: service.embedder.in_flight == 1)
        await service.embedder.__aexit__(None, None, None)
        with pytest.raises(ShuttingDown):
            await caller
        with pytest.raises(ShuttingDown):
            await service.embedder.embed(drawn(6))


async def test_the_shipped_model_answers_the_same_through_the_embedder_as_directly():
    encoder = Encoder.load(SHIPPED_MODEL, threads=1)
    images = [drawn(shade, side=90) for shade in (10, 240)]
    decoded = np.stack([pixels.decode(image, encoder.card.preprocessing) for image in images])
    direct = encoder.encode(decoded)
    batcher = Batcher(
        encode=lambda items: encoder.encode(np.stack(items)), max_batch=2, queue_size=4
    )
    async with batcher, Embedder(encoder, batcher, LruCache(1 << 20)) as embedder:
        embeddings = await embedder.embed_many(images)
    for row, embedding in enumerate(embeddings):
        np.testing.assert_allclose(embedding.vectors, direct.vectors[row], atol=1e-5)
        np.testing.assert_allclose(embedding.visible, direct.visible[row], atol=1e-5)
