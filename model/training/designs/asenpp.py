"""ASEN++ (Dong et al., TIP 2021, arXiv 2104.02429): a global look, then a closer one.

The global branch's map picks a square of the picture per attribute, which is cut out, resized to
half the picture's side and read by a smaller trunk with an attention of its own. First the
global branch trains alone, then both. The published code cuts from the original photograph; here
from the network's input, which is all that any design is given.
"""

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.training.asen import Embeddings, NetworkConfig
from model.training.backbones import CompactTrunk, build_trunk
from model.training.designs.asen_published import AttributeSide, attribute_table
from model.training.designs.attention import SharedHeads
from model.training.designs.rival import Rival, Terms
from model.training.losses import cosine_triplets

MARGIN: Final = 0.2
GLOBAL_WEIGHT: Final = 1.0  # of the published second stage, as the two below
LOCAL_WEIGHT: Final = 0.1
ALIGN_WEIGHT: Final = 0.1
GLOBAL_SHARE: Final = 0.6  # of a cosine between two garments; the rest is the local branch's
REGION_THRESHOLD: Final = 0.1  # of a map stretched to 0..1
STAGE_ENDS: Final = (0.7, 1.0)  # shares of the run; published with 50 and 20 epochs
_SMALLER_TRUNKS: Final = {
    "resnet50": "resnet34",  # the published pair
    "wide_resnet50_2": "resnet34",
    "resnext50_32x4d": "resnet34",
    "resnet34": "resnet18",
    "compact24": "compact16",
}


class AsenPlusPlus(Rival):
    """Two branches, whose unit vectors stand one after the other: (B, A, 2 D)."""

    stage: Tensor  # () int64, 0 or 1; in checkpoints, since vectors depend on it

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        self.local_trunk, local_channels = _smaller_trunk(config)
        self.embedding = attribute_table(config)
        common = config.common_dimension
        self.attribute = AttributeSide(config, common)
        self.local_attribute = AttributeSide(config, common // 2)
        self.heads = _heads(self.channels, common, config)
        self.local_heads = _heads(local_channels, common // 2, config)
        self.register_buffer("stage", torch.tensor(1))
        self.local_runs = True

    def enter_stage(self, stage: int) -> None:
        """0: the global branch alone, the vectors' second half 0; 1: both."""
        self.stage.fill_(stage)
        self.local_runs = stage > 0

    def forward(self, images: Tensor) -> Embeddings:
        """(B, 3, H, W) normalised -> every attribute's vector, map of the global branch."""
        return self.embed_with_terms(images)[0]

    def embed_with_terms(self, images: Tensor) -> tuple[Embeddings, Terms]:
        """Terms: ``global`` and, from the second stage on, ``local``, unit vectors (B, A, D)."""
        grid = self.trunk(images)  # (B, C, h, w)
        queries, conditions = self.attribute(self.embedding)
        attended = self.heads.attend(grid, self.heads.scores(grid, queries), conditions)
        terms = {"global": F.normalize(attended.raw, dim=-1, eps=1e-6)}
        raw, local = attended.raw, torch.zeros_like(attended.raw)
        if self.local_runs:
            local = self._local(images, attended.attention)
            terms["local"] = F.normalize(local, dim=-1, eps=1e-6)
        embeddings = self.answer(grid, attended.read, raw, attended.attention)
        return self._joined(embeddings, local), terms

    def own_loss(self, terms: Terms, values: Tensor) -> Tensor:
        """Triplets of each branch, and what parts the two branches' vectors."""
        loss = GLOBAL_WEIGHT * cosine_triplets(terms["global"], values, MARGIN)
        if "local" not in terms:
            return loss
        cosine = (terms["global"] * terms["local"]).sum(dim=-1)  # (B, A)
        # Published as a mean for each of a triplet's three pictures.
        labelled = (values >= 0).float()
        align = 3 * ((1 - cosine) * labelled).sum() / labelled.sum().clamp_min(1)
        local = cosine_triplets(terms["local"], values, MARGIN)
        return loss + LOCAL_WEIGHT * local + ALIGN_WEIGHT * align

    def _local(self, images: Tensor, attention: Tensor) -> Tensor:
        boxes = region_boxes(attention.detach().float(), images.shape[2], images.shape[3])
        side = max(32, min(images.shape[2:]) // 2)
        crops = cut_regions(images, boxes, side)  # (B, A, 3, side, side)
        grid = self.local_trunk(crops.flatten(0, 1)).unflatten(0, (-1, crops.shape[1]))
        queries, conditions = self.local_attribute(self.embedding)
        return self.local_heads.attend(grid, self.local_heads.scores(grid, queries), conditions).raw

    def _joined(self, embeddings: Embeddings, local: Tensor) -> Embeddings:
        """A cosine of the result is the branches' cosines, mixed by ``GLOBAL_SHARE``."""
        share = torch.where(self.stage > 0, GLOBAL_SHARE, 1.0)
        local_norms = local.norm(dim=-1)
        local = local / local_norms.clamp_min(1e-6).unsqueeze(-1)
        return embeddings._replace(
            vectors=torch.cat(
                [share.sqrt() * embeddings.vectors, (1 - share).sqrt() * local], dim=-1
            ),
            norms=(share * embeddings.norms**2 + (1 - share) * local_norms**2).sqrt(),
        )


def region_boxes(attention: Tensor, height: int, width: int) -> Tensor:
    """The square around what a map attends to.

    The map is enlarged to the picture and stretched to 0..1; the smallest box around all above
    ``REGION_THRESHOLD`` is widened to a square about its middle and moved inside the picture.

    Args:
        attention: (B, A, h, w) float32.
        height: H of the picture.
        width: W of the picture.

    Returns:
        (B, A, 3) float32: left, top, side, whole pixels.
    """
    maps = F.interpolate(attention, size=(height, width), mode="bilinear", align_corners=False)
    low, high = maps.amin(dim=(2, 3), keepdim=True), maps.amax(dim=(2, 3), keepdim=True)
    inside = (maps - low >= REGION_THRESHOLD * (high - low)).float()
    left, across = _extent(inside.amax(dim=2))
    top, down = _extent(inside.amax(dim=3))
    side = torch.maximum(across, down).clamp_max(min(height, width))
    return torch.stack(
        [_squared(left, across, side, width), _squared(top, down, side, height), side], dim=2
    )


def cut_regions(images: Tensor, boxes: Tensor, side: int) -> Tensor:
    """Cut (B, A, 3) boxes out of (B, 3, H, W) pictures -> (B, A, 3, side, side), bilinear."""
    height, width = images.shape[2:]
    steps = (torch.arange(side, device=images.device) + 0.5) / side
    left, top, size = boxes.unsqueeze(3).unbind(2)  # (B, A, 1) each
    # Half a pixel inside the box: its neighbours must not shine in.
    x = left + (steps * size).maximum(size.new_tensor(0.5)).minimum(size - 0.5)
    y = top + (steps * size).maximum(size.new_tensor(0.5)).minimum(size - 0.5)
    grid = torch.stack(
        [
            (2 * x / width - 1).unsqueeze(2).expand(-1, -1, side, -1),
            (2 * y / height - 1).unsqueeze(3).expand(-1, -1, -1, side),
        ],
        dim=4,
    )  # (B, A, side, side, 2)
    # One row of crops per picture, so that pictures are not repeated for every attribute.
    crops = F.grid_sample(images, grid.flatten(1, 2), align_corners=False)
    return torch.unflatten(crops, 2, (boxes.shape[1], side)).transpose(1, 2)


def _extent(inside: Tensor) -> tuple[Tensor, Tensor]:
    """(B, A, N) of 0 and 1 -> first index inside and length up to the last, (B, A) each."""
    count = inside.shape[2]
    index = torch.arange(count, device=inside.device, dtype=inside.dtype)
    first = torch.where(inside > 0, index, float(count)).amin(dim=2)
    last = torch.where(inside > 0, index, -1.0).amax(dim=2)
    return first, last - first + 1


def _squared(start: Tensor, length: Tensor, side: Tensor, limit: int) -> Tensor:
    middle = start + (length / 2).floor()
    return (middle - (side / 2).floor()).clamp_min(0).minimum(limit - side)


def _smaller_trunk(config: NetworkConfig) -> tuple[nn.Module, int]:
    if config.backbone == "compact16":  # no smaller one has a name
        widths = (12, 24, 48, 96)
        return CompactTrunk(widths), widths[-1]
    name = _SMALLER_TRUNKS.get(config.backbone, config.backbone)
    return build_trunk(name, pretrained=config.pretrained)


def _heads(channels: int, common_dimension: int, config: NetworkConfig) -> SharedHeads:
    return SharedHeads(
        channels,
        common_dimension,
        config.attribute_dimension,
        config.embedding_dimension,
        batch_norm=False,
    )
