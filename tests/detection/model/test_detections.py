import torch

from tasks.detection.model.detections import Detections, to_original


def test_detections_return_to_original_pixels_and_are_clipped() -> None:
    boxes = torch.tensor([[[20.0, 30.0, 210.0, 90.0]]])
    detections = Detections(
        boxes, torch.ones(1, 1), torch.zeros(1, 1, dtype=torch.int64), torch.ones(1, 1).bool()
    )
    scales = torch.tensor([[3.0, 2.0]])  # height x3, width x2
    original = to_original(detections, scales, torch.tensor([[30, 100]]))
    assert original.boxes.tolist() == [[[10.0, 10.0, 100.0, 30.0]]]
