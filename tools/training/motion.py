"""How faces move, as a reader's weight file holds it, for moving a photo's own pixels: see engine/expression/face_motion.h."""
import numpy as np
import torch

SHADE_ROWS, SHADE_COLUMNS = 68, 30  # texels of 0.025 units from the line between the eyes outward, from SHADE_TOP down


def motion_tensors(basis, mean_shape, shade, triangles, kind=torch.float16):
    """The tensors motion.*: basis (17,478,3), mean_shape (478,3), shade (17,160,160), triangles (n,3), as a pack holds them.

    Units and axes stay the pack's: distances of the outer eye corners, x right, y up, z to the viewer. Of the creases one half
    is kept, the mean of both, at half the resolution: 0.07 MB instead of 0.87. Indices below 2,048 are exact in fp16.
    """
    halves = (shade + shade[:, :, ::-1]) / 2
    coarse = halves.reshape(len(shade), 80, 2, 80, 2).mean((2, 4))[:, :SHADE_ROWS, 40:40 + SHADE_COLUMNS]
    tensor = lambda a: torch.from_numpy(np.ascontiguousarray(a, dtype=np.float32)).to(kind)
    return {"motion.basis": tensor(basis), "motion.mean": tensor(mean_shape), "motion.shade": tensor(coarse),
            "motion.triangles": tensor(triangles)}
