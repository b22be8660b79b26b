"""Shapes in the plane and in space: pose of a face mesh, its triangles, its own expression.

The unit of the mean shape and of the AU basis is the distance of the outer eye corners; x right, y up, z to the viewer.
Picture coordinates are pixels, x right, y down, integers at pixel centres.
"""
import numpy as np

from common import AU_NUMBERS
from face_points import (EYE_OPENING, LOWER_LIP, MOUTH_OPENING, N_POINTS, N_SKIN, OUTLINE, RIGID, UPPER_LIP)

# Rings round the face's outline, as multiples of its distance from the centre, so that the warp fades out smoothly.
RING_INNER, RING_OUTER = 1.22, 1.75
N_RING = len(OUTLINE)


def similarity(source, target):
    """Rotation (3,3) and scale with scale * rotation @ source close to target, both (n,3); least squares (Umeyama 1991)."""
    a, b = source - source.mean(0), target - target.mean(0)
    u, s, v = np.linalg.svd(b.T @ a)
    flip = np.array([1, 1, np.sign(np.linalg.det(u @ v))])
    return (u * flip) @ v, (s * flip).sum() / (a**2).sum()


def pose(points, mean_shape):
    """Rotation (3,3) and scale in pixels a unit that lay the mean shape on a photo's landmarks (478,3), in pixels."""
    return similarity(mean_shape[RIGID], points[RIGID] * [1, -1, -1])


def with_rings(points):
    """Landmarks (478,2) with the two rings: (550,2)."""
    outline = points[OUTLINE]
    centre = outline.mean(0)
    return np.concatenate([points, centre + (outline - centre) * RING_INNER, centre + (outline - centre) * RING_OUTER])


def inside(polygon, points):
    """Whether points (n,2) lie in a polygon (k,2), by the parity of crossings."""
    a, b = polygon, np.roll(polygon, 1, 0)
    (x, y), rows = points.T[:, :, None], slice(None)
    with np.errstate(divide="ignore", invalid="ignore"):
        cross = (a[rows, 1] > y) != (b[rows, 1] > y)
        left = x < (b[:, 0] - a[:, 0]) * (y - a[:, 1]) / (b[:, 1] - a[:, 1]) + a[:, 0]
    return (cross & left).sum(1) % 2 == 1


def skin_triangles(mean_shape, basis):
    """Triangles (n,3) over the landmarks and the rings, with holes for the mouth and the eyes.

    A Delaunay triangulation of the mean shape with its jaw dropped: in the mean itself both lips lie on each other.
    """
    from scipy.spatial import Delaunay  # only packing needs it

    shape = mean_shape + basis[AU_NUMBERS.index(26)]
    flat = with_rings(shape[:, :2] * [1, -1])
    used = np.r_[:N_SKIN, N_POINTS:len(flat)]
    triangles = used[Delaunay(flat[used]).simplices]
    centres = flat[triangles].mean(1)
    hole = np.zeros(len(triangles), bool)
    for opening in (MOUTH_OPENING, *EYE_OPENING):
        hole |= inside(flat[opening], centres)
    triangles = triangles[~hole]
    edges = {frozenset(e) for t in triangles.tolist() for e in ((t[0], t[1]), (t[1], t[2]), (t[2], t[0]))}
    for opening in (MOUTH_OPENING, *EYE_OPENING):
        torn = [e for e in zip(opening, np.roll(opening, 1).tolist()) if frozenset(e) not in edges]
        if torn:
            raise ValueError(f"the mean shape's mesh has no edge {torn[0]} round an opening; its points cross there")
    # Later triangles are drawn over earlier ones: the nose over the cheek, and the background over a cheek that turns away.
    depth = np.r_[shape[:, 2], np.full(2 * N_RING, np.inf)][triangles].mean(1)
    return triangles[np.argsort(depth, kind="stable")].astype(np.int32)


class OwnExpression:
    """Estimates the AUs that a photo already shows, from its landmarks.

    Non-negative least squares: landmarks = mean + basis @ au + identity. The identity is Gaussian with the covariance of
    closed, unsmiling faces, its part inside the span of the basis kept at 8 %, since that part is expression too; each AU
    has a Gaussian prior of its usual size. Mouths that are shut have no AU25 or AU26.
    """

    PRIOR = np.array([.15, .15, .13, .15, .15, .2, .1, .25, .6, .12, .08, .06, .12, .06, .6, .18, .15])
    SPAN_SHARE = 0.08
    N_IDENTITY = 40
    NOISE = 0.008  # units
    SHUT = 0.012

    def __init__(self, mean_shape, basis, identity, variance):
        """identity (40, 936) orthonormal rows, variance (40): what fit() gave."""
        self.mean, self.basis, self.identity, self.variance = mean_shape, basis, identity, variance
        span = basis[:, :N_SKIN, :2].reshape(len(basis), -1).T
        noise = self.NOISE**2
        shrink = variance / (variance + noise)
        self.whitened = (span - identity.T @ (shrink[:, None] * (identity @ span))) / noise  # inverse covariance @ span
        self.gram = span.T @ self.whitened + np.diag(1 / self.PRIOR**2)

    @classmethod
    def fit(cls, shapes, mean_shape, basis, aus):
        """Learns the identity covariance from normalised shapes (n,478,3), whose rough aus (n,17) tell who smiles."""
        gap = np.linalg.norm(shapes[:, 13] - shapes[:, 14], axis=1)
        smile = aus[:, AU_NUMBERS.index(12)]
        shut = gap < 0.03
        calm = shut & (smile <= np.percentile(smile[shut], 35))
        d = (shapes[calm, :N_SKIN, :2] - mean_shape[:N_SKIN, :2]).reshape(calm.sum(), -1)
        q = np.linalg.qr(basis[:, :N_SKIN, :2].reshape(len(basis), -1).T)[0]
        outside = d - (d @ q) @ q.T
        covariance = (outside.T @ outside + cls.SPAN_SHARE * (d.T @ d)) / len(d)
        variance, vectors = np.linalg.eigh(covariance)
        return cls(mean_shape, basis, vectors[:, -cls.N_IDENTITY:].T.copy(), variance[-cls.N_IDENTITY:].copy())

    def normalise(self, points):
        """Photo landmarks (478,3) in pixels, turned and scaled onto the mean shape."""
        points = points * [1, -1, -1]
        rotation, scale = similarity(points[RIGID], self.mean[RIGID])
        return scale * (points - points[RIGID].mean(0)) @ rotation.T + self.mean[RIGID].mean(0)

    def __call__(self, shape):
        """AUs (17) of a normalised shape (478,3)."""
        target = self.whitened.T @ (shape - self.mean)[:N_SKIN, :2].ravel()
        au = np.zeros(len(self.basis))
        for _ in range(300):  # coordinate descent: the objective is convex and each step exact
            before = au.copy()
            for j in range(len(au)):
                au[j] = max(0.0, au[j] + (target[j] - self.gram[j] @ au) / self.gram[j, j])
            if abs(au - before).max() < 1e-6:
                break
        if np.linalg.norm(shape[UPPER_LIP[0][4]] - shape[LOWER_LIP[0][4]]) < self.SHUT:
            au[[AU_NUMBERS.index(25), AU_NUMBERS.index(26)]] = 0
        return np.clip(au, 0, 1).astype(np.float32)
