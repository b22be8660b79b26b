"""Batched drawing of triangles and distances to polygons, in plain tensor operations: the same on a CPU and on a GPU."""
import torch

NOTHING = -1
EDGE = 1e-4  # barycentric slack, so that no pixel between two triangles is left out


def cross(a, b):
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def cover(corners, visible, behind, size):
    """Which triangle covers each pixel: (B,size,size) int64, NOTHING where none does; the last of several wins.

    corners  (B,F,3,2) in pixels, integers at pixel centres
    visible  (B,F) bool; triangles without area are left out too
    behind   (B,F) bool; these lose against all others

    Every pixel of every bounding box becomes one row of a flat list, of some 2.5 rows per pixel of the picture.
    """
    batch, n_faces = visible.shape
    device = corners.device
    origin, u, v = corners[:, :, 0], corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 0]
    area = cross(u, v)
    low = corners.amin(2).ceil().clamp(0, size).long()
    high = corners.amax(2).floor().clamp(-1, size - 1).long()
    extent = (high - low + 1).clamp(min=0)
    count = extent.prod(2) * (visible & (area.abs() > 1e-5))

    count = count.flatten()
    row = torch.repeat_interleave(torch.arange(len(count), device=device), count)
    place = torch.arange(len(row), device=device) - (count.cumsum(0) - count)[row]
    face = torch.cat([origin, u / area[..., None], v / area[..., None], low.to(u), extent[..., :1].to(u)], 2)
    face = torch.nan_to_num(face.flatten(0, 1), 0, 0, 0).index_select(0, row)
    column = place.to(u)
    line = torch.div(column, face[:, 8], rounding_mode="floor")
    column = column - line * face[:, 8] + face[:, 6]
    line = line + face[:, 7]
    dx, dy = column - face[:, 0], line - face[:, 1]
    second = dx * face[:, 5] - dy * face[:, 4]
    third = face[:, 2] * dy - face[:, 3] * dx
    hit = (second >= -EDGE) & (third >= -EDGE) & (second + third <= 1 + EDGE)

    row, pixel = row[hit], (line[hit] * size + column[hit]).long()
    rank = row % n_faces + n_faces * (~behind).flatten()[row]
    covered = torch.full((batch * size * size,), NOTHING, dtype=torch.int64, device=device)
    covered.scatter_reduce_(0, row // n_faces * (size * size) + pixel, rank, "amax")
    return torch.where(covered == NOTHING, covered, covered % n_faces).view(batch, size, size)


def affine_maps(source, target):
    """Maps that carry triangles of `target` onto those of `source`, both (B,F,3,2), of which source may have K columns.

    Returns (B,F,2+K+2K): a corner of the target, its image, and the two columns of the Jacobian. At a point p of the target
    the source is  image + (p - corner)_x * column_x + (p - corner)_y * column_y.
    """
    p, q = target[:, :, 1] - target[:, :, 0], target[:, :, 2] - target[:, :, 0]
    a, b = source[:, :, 1] - source[:, :, 0], source[:, :, 2] - source[:, :, 0]
    area = cross(p, q)[..., None]
    area = torch.where(area.abs() > 1e-9, area, torch.ones_like(area))
    column_x = (a * q[..., 1:] - b * p[..., 1:]) / area
    column_y = (b * p[..., :1] - a * q[..., :1]) / area
    return torch.cat([target[:, :, 0], source[:, :, 0], column_x, column_y], 2)


def line_distance(start, end, points):
    """Distance of points (M,2) to the nearest of their segments, from start to end (M,K,2)."""
    edge, to = end - start, points[:, None] - start
    along = ((to * edge).sum(2) / (edge.square().sum(2) + 1e-9)).clamp(0, 1)
    return (to - along[..., None] * edge).norm(dim=2).amin(1)


def polygon_distance(polygon, points):
    """Distance of points (M,2) to the outlines of their polygons (M,K,2): positive inside, negative outside."""
    start, end = polygon, polygon.roll(1, 1)
    edge, to = end - start, points[:, None] - start
    crosses = (start[..., 1] > points[:, None, 1]) != (end[..., 1] > points[:, None, 1])
    rise = torch.where(crosses, edge[..., 1], torch.ones_like(edge[..., 1]))
    left = to[..., 0] < edge[..., 0] * to[..., 1] / rise
    odd = (crosses & left).sum(1) % 2 == 1
    distance = line_distance(start, end, points)
    return torch.where(odd, distance, -distance)
