"""Hashes of ids: the same on every machine, in every process and for every engine.

They are those of the trainer (`recgrela_train.data.order`), so that both order ties alike:

* an integer id: SplitMix64 of its 64 bits;
* a text id: the first eight bytes, little-endian, of BLAKE2b of its UTF-8 bytes with a digest of
  eight bytes.
"""

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .errors import BatchError

Hashes = npt.NDArray[np.uint64]

STEP = np.uint64(0x9E3779B97F4A7C15)
FACTORS = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)
TIE_SEED = np.array([42], np.uint64)  # the default of data.tie_seed


def partition_of(users: pa.Array | pa.ChunkedArray, partitions: int) -> npt.NDArray[np.int64]:
    """The partition of each user id, `id_hashes(users) % partitions`, [n].

    Ids are integers or text without nulls, also dictionary-encoded. An engine that divides events
    among machines calls this function, so that a user is in the same partition everywhere. Raises
    BatchError for integers beyond 64 bits.
    """
    try:
        users = plain_ids(users)
    except pa.ArrowInvalid as error:
        raise BatchError(
            f"a user id does not fit into a signed integer of 64 bits: {error}"
        ) from None
    return (id_hashes(users) % np.uint64(partitions)).astype(np.int64)


def plain_ids(ids: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Ids as one array of int64 or large_string. Raises ArrowInvalid beyond 64 bits."""
    if isinstance(ids, pa.ChunkedArray):
        ids = ids.combine_chunks()
    if pa.types.is_dictionary(ids.type):
        ids = ids.dictionary_decode()
    return ids.cast(pa.int64() if pa.types.is_integer(ids.type) else pa.large_string())


def id_hashes(ids: pa.Array) -> Hashes:
    """A 64-bit hash of each id, [n], of integers or text without nulls."""
    if pa.types.is_integer(ids.type):
        numbers: npt.NDArray[np.int64] = ids.cast(pa.int64()).to_numpy(zero_copy_only=False)
        return mix(numbers.view(np.uint64))
    coded = pc.dictionary_encode(ids)
    digests = (
        hashlib.blake2b(text.encode(), digest_size=8).digest()
        for text in coded.dictionary.to_pylist()
    )
    hashes: Hashes = np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)
    indices: npt.NDArray[np.int32] = coded.indices.to_numpy(zero_copy_only=False)
    return hashes[indices]


def tie_hashes(users: Hashes, items: Hashes, times: npt.NDArray[np.int64]) -> Hashes:
    """The order of events of one user at one time, [n], from the hashes of their ids."""
    seeded = mix(mix(TIE_SEED) ^ users)
    return mix(mix(seeded ^ times.view(np.uint64)) ^ items)


def mix(values: Hashes) -> Hashes:
    """SplitMix64 of Steele, Lea and Flood (OOPSLA 2014), which scatters the bits of [n] uint64."""
    mixed = values + STEP
    mixed = (mixed ^ (mixed >> SHIFTS[0])) * FACTORS[0]
    mixed = (mixed ^ (mixed >> SHIFTS[1])) * FACTORS[1]
    mixed ^= mixed >> SHIFTS[2]
    return mixed
