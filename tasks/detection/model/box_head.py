"""Box head: RoIAlign over the pyramid, two fully connected layers, class and box predictors.

B images, K boxes an image, N = B · K, S samples, C channels, F foreground classes; boxes are (x1,
y1, x2, y2) in pixels of the resized image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_backbones.features import FeatureLevel
from tasks.detection.config import RoiConfig
from tasks.detection.model.detections import Detections
from tasks.detection.model.ground_truth import GroundTruth
from tasks.detection.model.proposals import Proposals
from tasks.detection.model.roi_sampling import RoiSamples, sample_rois
from tasks.detection.model.select import select_detections
from tasks.detection.ops.boxes import OffsetWeights, encode
from tasks.detection.ops.linear import fully_connected
from tasks.detection.ops.losses import Losses, loss_normalizer, positive_box_loss
from tasks.detection.ops.roi_align import RoiAlign
from tasks.vision.class_rows import ClassRows


class BoxHead(nn.Module):
    """Two fully connected layers, then F + 1 class logits (background last) and 4 offsets for each
    of F classes.
    """

    def __init__(
        self,
        levels: Sequence[FeatureLevel],
        num_classes: int,
        roi: RoiConfig,
        offset_weights: OffsetWeights = (10.0, 10.0, 5.0, 5.0),
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.config = roi
        self.offset_weights = offset_weights
        self.channels = levels[0].channels  # of all levels
        self.roi_align = RoiAlign(
            levels=tuple(levels),
            resolution=roi.resolution,
            sampling_ratio=roi.sampling_ratio,
            aligned=roi.aligned,
            level_rule=roi.level_rule,
        )
        self.expects_channels_last = False
        self.fc6 = nn.Linear(self.channels * roi.resolution**2, roi.hidden)
        self.fc7 = nn.Linear(roi.hidden, roi.hidden)
        self.classes = nn.Linear(roi.hidden, num_classes + 1)
        self.offsets = nn.Linear(roi.hidden, 4 * num_classes)
        if roi.init == "detectron2":
            self._init_as_detectron2()

    def _init_as_detectron2(self) -> None:
        for layer in (self.fc6, self.fc7):
            nn.init.kaiming_uniform_(layer.weight, a=1)
        nn.init.normal_(self.classes.weight, std=0.01)
        nn.init.normal_(self.offsets.weight, std=0.001)
        for layer in (self.fc6, self.fc7, self.classes, self.offsets):
            nn.init.zeros_(layer.bias)

    def forward(self, roi_features: Tensor) -> tuple[Tensor, Tensor]:
        """Predict logits (N, F + 1) and offsets (N, F, 4), both fp32, from (N, C, r, r)."""
        if self.expects_channels_last:
            columns = roi_features.permute(0, 2, 3, 1).flatten(1)
            hidden = F.relu_(fully_connected(self.fc6_channels_last, columns))
        else:
            hidden = F.relu_(fully_connected(self.fc6, roi_features.flatten(1)))
        hidden = F.relu_(fully_connected(self.fc7, hidden))
        with torch.autocast(hidden.device.type, enabled=False):
            hidden = hidden.float()
            return self.classes(hidden), self.offsets(hidden).unflatten(1, (-1, 4))

    def classify(self, features: Mapping[str, Tensor], boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Predict logits (B, K, F + 1) and offsets (B, K, F, 4) of boxes (B, K, 4)."""
        logits, offsets = self(self.roi_align(features, boxes))
        return logits.unflatten(0, boxes.shape[:2]), offsets.unflatten(0, boxes.shape[:2])

    def detect(
        self, features: Mapping[str, Tensor], proposals: Proposals, sizes: Tensor
    ) -> Detections:
        """Detect objects in the proposals of images of valid heights and widths `sizes` (B, 2)."""
        logits, offsets = self.classify(features, proposals.boxes)
        return select_detections(
            proposals, logits, offsets, sizes, self.config, self.offset_weights
        )

    def sample(self, proposals: Proposals, truth: GroundTruth) -> RoiSamples:
        """Draw the proposals for `losses`, and for other heads on the same boxes."""
        return sample_rois(proposals, truth, self.num_classes, self.config)

    def losses(self, features: Mapping[str, Tensor], rois: RoiSamples) -> Losses:
        """Compute `roi/class` and `roi/box`."""
        logits, offsets = self.classify(features, rois.boxes)
        targets = encode(rois.object_boxes, rois.boxes, self.offset_weights)
        return roi_losses(logits, offsets, targets, rois, self.config)

    def class_rows(self) -> dict[str, ClassRows]:
        """The tensors that have rows for each class."""
        kinds = ("weight", "bias")
        logits = {f"classes.{kind}": ClassRows(1, background="last") for kind in kinds}
        offsets = {f"offsets.{kind}": ClassRows(4, background="none") for kind in kinds}
        return logits | offsets

    def expect_channels_last(self) -> None:
        """Replace fc6 by `fc6_channels_last`, with the column order of channels_last RoI features,
        so that these need no copy; for inference.

        The other name prevents the weights from being loaded as a trained detector's.
        """
        if self.expects_channels_last:
            return
        weight = self.fc6.weight.detach()
        columns = weight.view(len(weight), self.channels, -1).transpose(1, 2).flatten(1)
        self.fc6_channels_last = self.fc6
        self.fc6_channels_last.weight = nn.Parameter(columns, requires_grad=False)
        del self.fc6
        self.expects_channels_last = True


def roi_losses(
    logits: Tensor, offsets: Tensor, targets: Tensor, rois: RoiSamples, config: RoiConfig
) -> Losses:
    """Compute the cross-entropy of the samples' logits (B, S, F + 1), and the box loss of the
    positives' offsets (B, S, F, 4) for their own class; or (B, S, 1, 4) for any.
    """
    errors = F.cross_entropy(logits.flatten(0, 1), rois.labels.flatten(), reduction="none").view_as(
        rois.labels
    )
    label = rois.labels.clamp(max=offsets.shape[2] - 1)
    class_offsets = offsets.gather(2, label[..., None, None].expand(-1, -1, 1, 4))[:, :, 0]
    normalizer = loss_normalizer(rois.valid, config.samples, config.normalizer)
    box_error = positive_box_loss(
        class_offsets, targets, rois.positive, config.box_loss, config.beta
    )
    return {
        "roi/class": torch.where(rois.valid, errors, 0).sum() / normalizer,
        "roi/box": box_error / normalizer,
    }
