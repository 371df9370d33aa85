"""The network's parts against slow oracles and published intermediate tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden import golden_state, vectors
from oracles import windowed_attention

from deaot_ros.errors import VariantError
from deaot_ros.network import build_network
from deaot_ros.network.attention import MASKED, Grid, LongTermAttention, ShortTermAttention
from deaot_ros.network.batch_norm import BatchNorm, freeze_batch_norm, thaw_batch_norm
from deaot_ros.network.identity import embed_labels, one_hot
from deaot_ros.network.lstt import ShortTermAttention as LsttShortTermAttention

GRID = Grid(9, 17)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("grid", [GRID, Grid(17, 9), Grid(3, 4), Grid(1, 20)])
@pytest.mark.parametrize("recorded", [False, True], ids=["by tiles", "dense"])
def test_short_term_attention_equals_the_unfolded_window(grid: Grid, recorded: bool) -> None:
    attention = ShortTermAttention(128, 1024, 512).double()
    attention.emit = lambda attended, gate, grid: attended  # type: ignore[method-assign]
    query, keys = torch.randn(2, 2, grid.cells, 128, dtype=torch.double)
    values = torch.randn(2, grid.cells, 1024, dtype=torch.double)
    with torch.set_grad_enabled(recorded):
        ours = attention(query, keys, values, torch.ones_like(values), grid).detach()
    for b in range(2):
        maps = query[b].T.reshape(1, 128, *grid)
        relative = attention.relative_emb_k(maps).detach().reshape(225, -1).T
        slow = windowed_attention(query[b], keys[b], values[b], relative, *grid)
        torch.testing.assert_close(ours[b], slow, atol=1e-6, rtol=0)


@torch.no_grad()
def test_masked_memory_tokens_do_not_count() -> None:
    attention = LongTermAttention(1024, 512)
    query, gate = torch.randn(1, GRID.cells, 128), torch.randn(1, GRID.cells, 1024)
    keys, values = torch.randn(1, 300, 128), torch.randn(1, 300, 1024)
    bias = torch.zeros(1, 1, 300)
    bias[..., 100:] = MASKED
    padded = attention(query, keys, values, gate, GRID, bias)
    exact = attention(query, keys[:, :100], values[:, :100], gate, GRID, None)
    torch.testing.assert_close(padded, exact, atol=1e-5, rtol=0)


def test_one_hot_gives_unknown_labels_no_channel_at_all() -> None:
    channels = one_hot(torch.tensor([[[0, 1, 10, 11, 255]]], dtype=torch.uint8), torch.float32)
    assert channels.shape == (1, 11, 1, 5)
    assert channels[0, :, 0].argmax(0)[:3].tolist() == [0, 1, 10]
    assert channels[0, :, 0].sum(0).tolist() == [1, 1, 1, 0, 0]


@torch.no_grad()
def test_tiles_of_several_heads_equal_the_dense_form() -> None:
    attention = ShortTermAttention(64, 96, 32, heads=2).double()
    query, keys = torch.randn(2, 2, GRID.cells, 64, dtype=torch.double)
    values, gate = torch.randn(2, 2, GRID.cells, 96, dtype=torch.double)
    tiles = attention(query, keys, values, gate, GRID)
    with torch.enable_grad():
        dense = attention(query, keys, values, gate, GRID)
    torch.testing.assert_close(tiles, dense, atol=1e-9, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize(("kernel", "padding", "size"), [(17, 8, (65, 97)), (16, 0, (64, 96))])
def test_embedding_of_labels_equals_the_convolution_of_their_one_hot_maps(
    kernel: int, padding: int, size: tuple[int, int]
) -> None:
    bank = torch.nn.Conv2d(11, 32, kernel, 16, padding).double()
    labels = torch.zeros(4, *size, dtype=torch.uint8)
    labels[0, 20:50, 30:] = 3
    labels[1] = 10
    labels[1, :33] = 255
    labels[2] = torch.randint(0, 13, size)
    expected = bank(one_hot(labels, torch.double)).flatten(2).transpose(1, 2)
    torch.testing.assert_close(embed_labels(labels, bank), expected, atol=1e-9, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("variant", ["deaot-t", "r50-deaot-l"])
def test_folding_batch_norms_changes_nothing(variant: str) -> None:
    network = build_network(variant)
    network.load_state_dict(golden_state(network))
    image = torch.randn(1, 3, 65, 97)
    before = network.encode(image).tokens
    network.fold()
    torch.testing.assert_close(network.encode(image).tokens, before, atol=1e-4, rtol=1e-4)
    assert not any(isinstance(m, BatchNorm) for m in network.modules())


def test_batch_norm_trains_when_thawed_and_freezes_to_the_same_function() -> None:
    norm, theirs = BatchNorm(5), torch.nn.BatchNorm2d(5)
    assert not list(norm.parameters())
    thaw_batch_norm(norm)
    assert len(list(norm.parameters())) == 2
    x = torch.randn(4, 5, 6, 7) * 3 + 1
    norm.train()
    torch.testing.assert_close(norm(x), theirs(x))
    torch.testing.assert_close(norm.running_var, theirs.running_var)
    with torch.no_grad():
        norm.weight.mul_(2)
        theirs.weight.mul_(2)
    freeze_batch_norm(norm)
    assert not list(norm.parameters())
    torch.testing.assert_close(norm(x), theirs.eval()(x))
    assert set(norm.state_dict()) == {"weight", "bias", "running_mean", "running_var"}


@torch.no_grad()
@pytest.mark.parametrize(("variant", "layer"), [("deaot-t", 0), ("deaot-s", 1)])
def test_intermediate_tensors_of_a_predicted_frame(variant: str, layer: int) -> None:
    name = {"deaot-t": "DeAOTT", "deaot-s": "DeAOTS"}[variant]
    debug, inputs = vectors(f"{name}_debug_frame1"), vectors("inputs")
    network = build_network(variant)
    network.load_state_dict(golden_state(network))
    seen: dict[str, torch.Tensor] = {}
    module = network.LSTT.layers[layer]
    attentions = ("long_term_attn", "short_term_attn", "self_attn")
    for part in ("norm1", "linear_QV", "id_norm2", *attentions):
        getattr(module, part).register_forward_hook(
            lambda _m, _i, out, part=part: seen.__setitem__(part, out)
        )

    def normalised(t: int) -> torch.Tensor:
        x = torch.from_numpy(inputs["frames_97x129"][t]).permute(2, 0, 1)[None].float() / 255
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        return (x - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)

    mask = torch.from_numpy(inputs["mask_97x129_k3"])[None]
    _, memory = network.reference(network.encode(normalised(0)), mask)
    features = network.encode(normalised(1))
    propagated = network.propagate(features, memory, memory)
    for part in ("norm1", "linear_QV", "id_norm2"):
        published = debug[f"layer{layer}.{part}_out"]
        assert np.abs(seen[part][0].numpy() - published).max() < 1e-4, part
    for part, key in (
        ("long_term_attn", "long_term_out"),
        ("short_term_attn", "short_term_out"),
        ("self_attn", "self_attn_out"),
    ):
        published = debug[f"layer{layer}.{key}"]
        assert np.abs(seen[part][0].numpy() - published).max() < 1e-4, part
    key = f"layer{layer}.curr_mem_before_update"
    assert np.abs(propagated.contexts[layer].key[0].numpy() - debug[f"{key}.K"]).max() < 1e-4
    assert np.abs(propagated.contexts[layer].value[0].numpy() - debug[f"{key}.V"]).max() < 1e-4
    if layer:
        id_feature = propagated.contexts[layer].id_feature
        assert id_feature is not None
        assert np.abs(id_feature[0].numpy() - debug[f"{key}.ID_V"]).max() < 1e-4


def test_unknown_variant_lists_the_known_ones() -> None:
    with pytest.raises(VariantError, match=r"'deaot-x'.*deaot-t.*swinb-deaot-l"):
        build_network("deaot-x")


@torch.no_grad()
def test_short_term_attention_of_several_heads_equals_the_unfolded_window() -> None:
    """LSTT's: each head has its window, its relative term of keys and that of values."""
    heads, width = 4, 8
    attention = LsttShortTermAttention(heads * width, heads).double()
    torch.nn.init.normal_(attention.relative_emb_v)
    torch.nn.init.normal_(attention.relative_emb_k.weight)
    torch.nn.init.eye_(attention.projection.weight)
    torch.nn.init.zeros_(attention.projection.bias)
    query, keys, values = torch.randn(3, 2, GRID.cells, heads * width, dtype=torch.double)
    ours = attention(query, keys, values, GRID)
    for b in range(2):
        maps = query[b].T.reshape(1, -1, *GRID)
        relative = attention.relative_emb_k(maps).reshape(heads, 225, -1).mT
        for n in range(heads):
            part = slice(n * width, (n + 1) * width)
            slow = windowed_attention(
                query[b, :, part], keys[b, :, part], values[b, :, part], relative[n], *GRID,
                value_term=attention.relative_emb_v[n],
            )  # fmt: skip
            torch.testing.assert_close(ours[b, :, part], slow, atol=1e-6, rtol=0)


@torch.no_grad()
def test_heads_share_the_branches_of_the_values() -> None:
    """Each head's map carries its share of the visual and of the ID values."""
    attention = LongTermAttention(64, 24, heads=4, parts=2).double()
    attention.emit = lambda attended, gate, grid: attended  # type: ignore[method-assign]
    query = torch.randn(2, GRID.cells, 32, dtype=torch.double)
    keys = torch.randn(2, 2 * GRID.cells, 32, dtype=torch.double)
    values = torch.randn(2, 2 * GRID.cells, 64, dtype=torch.double)
    ours, mass = attention(query, keys, values, query, GRID, None, with_mass=True)
    assert mass is not None
    total = 0
    for n in range(4):
        q, k = query[..., 8 * n : 8 * n + 8], keys[..., 8 * n : 8 * n + 8]
        weights = torch.einsum("btc,bsc->bts", q, k).div(8**0.5).softmax(-1)
        for start in (8 * n, 32 + 8 * n):
            slow = weights @ values[..., start : start + 8]
            torch.testing.assert_close(ours[..., start : start + 8], slow)
        total = total + weights.unflatten(-1, (2, -1)).sum(-1) / 4
    torch.testing.assert_close(mass, total)
