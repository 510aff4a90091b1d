"""Attention of single positions, for one song and for several, as fast as keys and values can be read."""

import torch
from torch import Tensor
from torch.nn import functional


def attend_by_channel(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Attention of single positions where the keys of a channel lie together in memory.

    A CPU then reads long runs of keys for each product; the usual order costs about a third more time.

    Args:
        query: Queries [rows, heads, 1, head_dim].
        keys: Keys [rows, heads, positions, head_dim], neighbours along the positions.
        values: Values, same shape, neighbours along the channels.

    Returns:
        Attended values [rows, heads, 1, head_dim].
    """
    scaled = (query * query.shape[-1] ** -0.5).flatten(0, 1)
    weights = torch.bmm(scaled, keys.mT.flatten(0, 1)).softmax(-1)
    return torch.bmm(weights, values.flatten(0, 1)).view(query.shape)


def attend_shared(query: Tensor, keys: Tensor, values: Tensor, first_keys: Tensor, first_values: Tensor) -> Tensor:
    """Attention of single positions in pairs of rows; the odd rows' first keys and values are the same in all pairs.

    Args:
        query: Queries [rows, heads, 1, head_dim].
        keys: Keys [rows, heads, positions, head_dim].
        values: Values, same shape.
        first_keys: First keys of the odd rows [heads, shared, head_dim].
        first_values: First values of the odd rows, same shape.

    Returns:
        Attended values [rows, heads, 1, head_dim].
    """
    n_shared = first_keys.shape[1]
    even = functional.scaled_dot_product_attention(query[0::2], keys[0::2], values[0::2])
    odd_query, own_keys, own_values = query[1::2], keys[1::2, :, n_shared:], values[1::2, :, n_shared:]
    if query.device.type == "cpu" and query.dtype == torch.float32:
        # The songs of a head are the queries of one row over the shared part.
        first = _FLASH_CPU(odd_query.transpose(0, 2), first_keys[None], first_values[None])
        odd = _merge(first[0].transpose(0, 2), first[1].transpose(0, 2), *_FLASH_CPU(odd_query, own_keys, own_values))
    else:
        # Heads lead for the shared part: there the songs of a head are the rows of one product.
        by_head = (odd_query[:, :, 0] * query.shape[-1] ** -0.5).transpose(0, 1)
        first_scores = (by_head @ first_keys.transpose(-1, -2)).transpose(0, 1)[:, :, None]
        own_scores = by_head.transpose(0, 1)[:, :, None] @ own_keys.transpose(-1, -2)
        weights = torch.cat([first_scores, own_scores], dim=-1).float().softmax(-1).to(query.dtype)
        shared = (weights[:, :, 0, :n_shared].transpose(0, 1) @ first_values).transpose(0, 1)[:, :, None]
        odd = shared + weights[..., n_shared:] @ own_values
    return torch.stack([even, odd], dim=1).flatten(0, 1)


_FLASH_CPU = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
"""Attention that also gives the logarithm of its normaliser, and reads keys where they lie."""


def _merge(first: Tensor, first_norm: Tensor, own: Tensor, own_norm: Tensor) -> Tensor:
    """Attention over two parts of the positions from the attention over each.

    Args:
        first: Attended values of the first part [rows, heads, 1, head_dim].
        first_norm: Logarithm of its normaliser [rows, heads, 1].
        own: Attended values of the other part, same shape.
        own_norm: Logarithm of its normaliser, same shape.

    Returns:
        Attended values of both, same shape.
    """
    return own + torch.sigmoid(first_norm - own_norm)[..., None] * (first - own)
