"""torch's own tools on backbones: sharding, pruning, vectors of parameters, fake tensors, export."""

import subprocess
import textwrap
from pathlib import Path

import pytest
import torch
from command_line import command_line
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.export import Dim
from torch.nn.utils import parameters_to_vector, prune, vector_to_parameters

from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone
from resnet_backbones.registry import build, create_backbone
from resnet_backbones.spec import BackboneSpec

FAMILIES = (
    "resnet18",
    "resnet18d",
    "resnet20",
    "resnetv2_18",
    "resnetv2_20",
    "vgg11_bn",
    "googlenet",
)


def images(size: tuple[int, int] = (64, 64), batch: int = 2) -> Tensor:
    return torch.randn(batch, 3, *size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", [*FAMILIES, "timm:resnet10t"])
def test_weights_are_contiguous_and_so_are_features_of_contiguous_images(name: str) -> None:
    backbone = create_backbone(name).eval()
    assert all(parameter.is_contiguous() for parameter in backbone.parameters())
    for level, x in backbone(images()).items():
        assert x.is_contiguous(), level
        assert x.view(2, -1).shape[0] == 2


@pytest.mark.parametrize("name", FAMILIES)
def test_parameters_go_into_a_vector_and_back(name: str) -> None:
    backbone = create_backbone(name)
    vector = parameters_to_vector(backbone.parameters())
    vector_to_parameters(vector * 2, backbone.parameters())
    torch.testing.assert_close(parameters_to_vector(backbone.parameters()), vector * 2)


def test_lbfgs_takes_a_step() -> None:
    backbone = create_backbone("resnet20", levels=["c1"])
    optimizer = torch.optim.LBFGS(backbone.parameters(), max_iter=2)

    def loss() -> Tensor:
        optimizer.zero_grad()
        value: Tensor = (backbone(images())["c1"] - 1).square().mean()
        value.backward()
        return value

    before = optimizer.step(loss)  # type: ignore[arg-type]
    assert loss() < before


@pytest.mark.parametrize("norm", ["batch", "frozen"])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_pruned_convolution_stays_pruned_in_training(name: str, norm: str) -> None:
    spec = BackboneSpec(name, pretrained=norm == "frozen", freeze_through=None)
    backbone = build(spec).train()
    convs = [module for module in backbone.modules() if isinstance(module, nn.Conv2d)]
    prune.l1_unstructured(convs[1], "weight", 0.5)
    for _ in range(2):  # the mask is applied anew, so that the graph of the first pass is not used
        total = torch.stack([x.square().mean() for x in backbone(images()).values()]).sum()
        total.backward()
    gradient = convs[1].get_parameter("weight_orig").grad
    assert gradient is not None
    mask = convs[1].get_buffer("weight_mask")
    assert (gradient[mask == 0] == 0).all()
    assert (gradient[mask == 1] != 0).any()


# torchvision's GoogLeNet cannot be built there either: torch draws its truncated normal by value.
@pytest.mark.parametrize("norm", ["batch", "frozen"])
@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "googlenet"])
def test_fake_tensors_run_through(name: str, norm: str) -> None:
    with FakeTensorMode():
        backbone = build(BackboneSpec(name, pretrained=norm == "frozen"))
        maps = backbone.eval()(torch.randn(1, 3, 64, 64))
    assert [x.shape[1] for x in maps.values()] == [level.channels for level in backbone.levels]


@pytest.mark.parametrize("name", FAMILIES)
def test_an_exported_program_takes_any_batch_and_size(name: str) -> None:
    backbone = create_backbone(name).eval()
    shapes = ({0: Dim.AUTO, 2: Dim.AUTO, 3: Dim.AUTO},)
    program = torch.export.export(backbone, (images(),), dynamic_shapes=shapes).module()
    for size, batch in (((75, 93), 3), ((64, 128), 1)):
        found = program(images(size, batch))
        for level, expected in backbone(images(size, batch)).items():
            torch.testing.assert_close(found[level], expected, rtol=1e-3, atol=1e-4)


SHARDED = """
    import os
    import torch
    import torch.distributed as dist
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.device_mesh import init_device_mesh
    from resnet_backbones.registry import build
    from resnet_backbones.spec import BackboneSpec

    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    mesh = init_device_mesh("cpu", (2,))
    stages = {
        "resnet18": ["layer1", "layer4"],
        "resnetv2_18": ["stages.0", "stages.3.blocks"],
        "vgg11_bn": ["features"],
        "googlenet": ["inception3a", "inception5b"],
    }
    blocks = {
        "resnet18": ["layer1.0", "layer4.1"],
        "resnetv2_18": ["stages.3.blocks.1"],
        "vgg11_bn": ["features.4"],
        "googlenet": ["inception4a.branch2"],
    }
    cases = [("resnet18", norm, parts) for norm in ("batch", "frozen") for parts in (
        stages["resnet18"], blocks["resnet18"], ["layer2.0.conv1"], [])]
    for name in ("resnetv2_18", "vgg11_bn", "googlenet"):
        cases += [(name, "frozen", stages[name]), (name, "batch", blocks[name])]
    for name, norm, parts in cases:
        spec = BackboneSpec(name, pretrained=norm == "frozen", freeze_through=None)
        networks = []
        for _ in range(2):
            torch.manual_seed(0)
            networks.append(build(spec).double().train())
        plain, shared = networks
        for part in parts:
            fully_shard(shared.get_submodule(part), mesh=mesh)
        fully_shard(shared, mesh=mesh)
        images = torch.randn(2, 3, 32, 32).double()
        for network in networks:
            maps = network(images)
            torch.stack([x.square().mean() for x in maps.values()]).sum().backward()
        gradients = dict(plain.named_parameters())
        for path, parameter in shared.named_parameters():
            found = parameter.grad.full_tensor()
            torch.testing.assert_close(found, gradients[path].grad, rtol=1e-6, atol=1e-9)
    print("equal", flush=True)
    dist.barrier()
    dist.destroy_process_group()
    os._exit(0)  # gloo's threads may abort an interpreter that ends by itself
"""


@pytest.mark.slow
def test_two_ranks_shard_by_stage_by_block_and_whole(tmp_path: Path) -> None:
    """FSDP2; every rank sees the same images, so the mean gradient is that of one process."""
    script = tmp_path / "sharded.py"
    script.write_text(textwrap.dedent(SHARDED))
    done = subprocess.run(
        command_line(script, ranks=2), capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("equal") == 2


def test_freezing_and_unfreezing_stay_through_train() -> None:
    backbone = create_backbone("resnet18")
    backbone.freeze(backbone.modules_through("c3"))
    backbone.train()
    assert {name.partition(".")[0] for name in backbone.frozen_names()} == {
        "conv1", "bn1", "layer1", "layer2"
    }  # fmt: skip
    assert not backbone.get_submodule("layer2.0.bn1").training
    backbone.unfreeze("layer2.1")
    backbone.train()
    assert backbone.get_submodule("layer2.1.bn1").training
    assert not backbone.get_submodule("layer2.0.bn1").training
    assert all(p.requires_grad for p in backbone.get_submodule("layer2.1").parameters())
    assert not any(p.requires_grad for p in backbone.get_submodule("layer2.0").parameters())
    backbone.unfreeze()
    assert backbone.frozen_names() == ()
    assert all(module.training for module in backbone.train().modules())
    backbone.freeze()
    assert not any(module.training for module in backbone.train().modules())
    assert len(backbone.frozen_names()) == len(list(backbone.parameters()))
    backbone.unfreeze(["layer4"])
    assert backbone.train().get_submodule("layer4").training
    assert not backbone.get_submodule("layer3").training
    for change in (backbone.freeze, backbone.unfreeze):
        with pytest.raises(UserError, match="no module is called 'layer9', only conv1, bn1"):
            change("layer9")


def test_what_was_unfrozen_learns_again() -> None:
    backbone = build(BackboneSpec("resnet20", freeze_through="c2")).train()
    statistics = backbone.get_buffer("layer1.0.bn1.running_mean").clone()
    backbone(images())
    assert torch.equal(backbone.get_buffer("layer1.0.bn1.running_mean"), statistics)
    backbone.unfreeze("layer1")
    sum(x.sum() for x in backbone(images()).values()).backward()  # type: ignore[union-attr]
    assert not torch.equal(backbone.get_buffer("layer1.0.bn1.running_mean"), statistics)
    assert backbone.get_parameter("layer1.0.conv1.weight").grad is not None
    assert backbone.get_parameter("conv1.weight").grad is None


def saved_bytes(backbone: Backbone) -> int:
    """What autograd keeps for the backward pass."""
    sizes: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        sizes[tensor.data_ptr()] = tensor.nbytes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        maps = backbone(images())
    del maps
    return sum(sizes.values())


@pytest.mark.parametrize(
    "name", ["resnet18", "resnetv2_20", "vgg11_bn", "googlenet", "timm:resnet10t"]
)
def test_recomputing_is_switched_after_building(name: str) -> None:
    backbone = create_backbone(name).train()
    kept = saved_bytes(backbone)
    backbone.set_grad_checkpointing()
    assert saved_bytes(backbone) < 0.75 * kept
    assert backbone.checkpoint_activations
    backbone.set_grad_checkpointing(False)
    assert saved_bytes(backbone) == kept


def test_intermediate_maps_are_chosen_by_place_or_name() -> None:
    backbone = create_backbone("resnet18").eval()
    maps = backbone(images())
    last, chosen = backbone.forward_intermediates(images(), indices=(0, -1, "c4"))
    assert torch.equal(last, maps["c5"])
    for x, level in zip(chosen, ("c2", "c5", "c4"), strict=True):
        assert torch.equal(x, maps[level])
    coarsest = backbone.forward_intermediates(images(), indices=2, intermediates_only=True)
    assert [x.shape for x in coarsest] == [maps["c4"].shape, maps["c5"].shape]
    assert len(backbone.forward_intermediates(images())[1]) == 4
    for wrong in ([4], ["c1"], 5):
        with pytest.raises(UserError, match=r"the 4 levels c2, c3, c4, c5, got"):
            backbone.forward_intermediates(images(), indices=wrong)  # type: ignore[arg-type]
