"""Data: published sets, one's own files and folders, and batches of them that are functions of (seed, step)."""

from scorefield.data.array_files import from_array_file, read_array
from scorefield.data.batches import Batch, Batches, DensityBatches, Samplable
from scorefield.data.cifar import CIFAR10_CLASSES, cifar10
from scorefield.data.dataset import Dataset, dequantize, keep_share, quantize
from scorefield.data.digits import digits
from scorefield.data.examples import LoaderBatches, batches_of
from scorefield.data.folder import decode_image, from_folder, from_path, read_image
from scorefield.data.idx import read_idx
from scorefield.data.mnist import fashion_mnist, kmnist, mnist
from scorefield.data.tables import from_table_file

__all__ = [
    "CIFAR10_CLASSES",
    "Batch",
    "Batches",
    "Dataset",
    "DensityBatches",
    "LoaderBatches",
    "Samplable",
    "batches_of",
    "cifar10",
    "decode_image",
    "dequantize",
    "digits",
    "fashion_mnist",
    "from_array_file",
    "from_folder",
    "from_path",
    "from_table_file",
    "keep_share",
    "kmnist",
    "mnist",
    "quantize",
    "read_array",
    "read_idx",
    "read_image",
]
