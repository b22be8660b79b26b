"""The geometric teacher: a photo and the action units wanted -> a photograph of that expression, by warping.

Landmarks are displaced by the AU basis, the photo is warped triangle by triangle, and what the warp cannot show is drawn:
the eyeball and the inside of the mouth lie under the skin and are fixed to the skull, creases are shaded. AUs are absolute:
the photo's own expression is taken off first. Everything is batched tensors, on a CPU or a GPU, without gradients.
"""
import dataclasses

import torch
import torch.nn.functional as F

import mouth
import raster
from common import AU_NUMBERS
from face_points import (BARE_SKIN, EYE_CORNERS, EYE_OPENING, LOWER_LID, LOWER_LIP, MOUTH_OPENING, N_POINTS, N_SKIN, OUTLINE,
                         UPPER_LID, UPPER_LID_FOLD, UPPER_LIP)
from geometry import N_RING, RING_INNER, RING_OUTER

JAW, LIPS_PART, SHUT_EYES = (AU_NUMBERS.index(n) for n in (26, 25, 45))
N_EYE = 17  # vertices of an eye's fan: sixteen on the lids, one in the middle
RING_FOLLOWS = 0.45  # share of the outline's displacement that the inner ring takes
PHOTO_SCALE = 90.6  # median pixels per unit of the portraits that the pixel thresholds below were found on
SKIN_TONE = (1.26, 0.95, 0.79)  # mean colour of bare skin over its grey value
LASH_WIDTH, LASH_DARKNESS = 0.016, 0.6  # units, share of the light
LASHES = 0.25  # of the way from the lid's margin to its fold are lashes
TINT = 0.6  # how much of the light's colour teeth take on
SHADE_LEFT, SHADE_TOP = -1.0, 0.62  # corner of the shading texture, in units; it is 2 units wide


@dataclasses.dataclass
class Portraits:
    """A batch of photos with all that the teacher needs to know of each."""
    photos: torch.Tensor    # (B,3,S,S) RGB in [0,1]
    points: torch.Tensor    # (B,478,2) landmarks in pixels
    rotation: torch.Tensor  # (B,3,3) the head's pose, from the mean shape
    scale: torch.Tensor     # (B) pixels per unit
    own: torch.Tensor       # (B,17) AUs that the photo shows

    def __len__(self):
        return len(self.photos)

    def to(self, device):
        return Portraits(*(getattr(self, f.name).to(device) for f in dataclasses.fields(self)))

    def __getitem__(self, index):
        return Portraits(*(getattr(self, f.name)[index] for f in dataclasses.fields(self)))


class Teacher:
    def __init__(self, basis, mean_shape, shade, triangles, device="cpu"):
        """basis (17,478,3), mean_shape (478,3), shade (17,T,T): log brightness per AU, triangles (n,3); from a pack."""
        tensor = lambda a, kind=torch.float32: torch.as_tensor(a, dtype=kind, device=device)
        self.device = device
        self.basis, self.shade = tensor(basis), tensor(shade)
        mean = tensor(mean_shape)
        # Order of drawing: eyeballs first, the skin over them.
        first_eye = N_POINTS + 2 * N_RING
        fans = [[first_eye + e * N_EYE + i, first_eye + e * N_EYE + (i + 1) % 16, first_eye + e * N_EYE + 16]
                for e in range(2) for i in range(16)]
        self.faces = torch.cat([tensor(fans, torch.int64), tensor(triangles, torch.int64)])
        self.is_skin = torch.arange(len(self.faces), device=device) >= len(fans)
        lids = torch.zeros(first_eye + 2 * N_EYE, dtype=torch.bool, device=device)
        lids[sum(EYE_OPENING, [])] = True
        self.is_lid = self.is_skin & lids[self.faces].any(1)
        self.is_shaded = (self.faces < N_SKIN).all(1)
        # Places in the shading texture, in grid_sample's -1..1.
        texture = torch.zeros(first_eye + 2 * N_EYE, 2, device=device)
        texture[:N_POINTS, 0] = mean[:, 0] - SHADE_LEFT - 1
        texture[:N_POINTS, 1] = SHADE_TOP - mean[:, 1] - 1
        self.texture = texture[self.faces]

        height = lambda shape, a, b: shape[..., a, 1] - shape[..., b, 1]
        self.lip_gap = height(self.basis, UPPER_LIP[0], LOWER_LIP[0])                                  # (17,9)
        self.lid_gap = height(mean, UPPER_LID, LOWER_LID)                                              # (2,7)
        self.lid_change = torch.stack([height(self.basis, UPPER_LID[e], LOWER_LID[e]) for e in (0, 1)], 1)  # (17,2,7)
        self.lid_change[SHUT_EYES] = -1.03 * self.lid_gap  # AU45 at 1 shuts the eye, whatever the basis says
        self.jaw_drop = -self.basis[JAW, LOWER_LIP[0][4], 1]

    # ---- where the landmarks go

    def down(self, rotation):
        """Unit vector (B,2) in the picture that points down the face."""
        d = rotation @ torch.tensor([0., -1., 0.], device=self.device)
        return F.normalize(torch.stack([d[:, 0], -d[:, 1]], 1), dim=1)

    def move(self, portraits, target):
        """Landmarks (B,478,2) of the expression `target` (B,17)."""
        p, scale = portraits, portraits.scale[:, None, None]
        shift = torch.einsum("ba,apk->bpk", target - p.own, self.basis) @ p.rotation.transpose(1, 2) * scale
        points = p.points + shift[..., :2] * shift.new_tensor([1, -1])
        self._move_lips(p, target, points)
        self._move_lids(p, target, points)
        return points

    def _move_lips(self, p, target, points):
        """Sets the gap of the lips column by column: closing multiplies it, so that shut is shut; opening adds."""
        down, scale = self.down(p.rotation)[:, None], p.scale[:, None]
        gap = lambda at: ((at[:, LOWER_LIP[0]] - at[:, UPPER_LIP[0]]) * down).sum(2)
        before, wanted, own = gap(p.points), target @ self.lip_gap * scale, p.own @ self.lip_gap * scale
        added = before + wanted - own
        closing = torch.where(own > 1e-3, before * wanted.clamp(min=0) / own.clamp(min=1e-3), added)
        opened = torch.where(wanted >= own, added, closing)
        shut = before.amax(1, keepdim=True) < 0.012 * scale
        after = torch.where(shut, before.clamp(min=0) + wanted - own, opened).clamp(min=0)
        change = torch.minimum(torch.maximum(after - gap(points), -.15 * scale), .15 * scale)[..., None] * down
        for upper, lower in zip(UPPER_LIP, LOWER_LIP):
            points[:, upper] -= 0.4 * change
            points[:, lower] += 0.6 * change

    def _move_lids(self, p, target, points):
        """Sets the opening of the lids column by column, as a share of the photo's own."""
        down = self.down(p.rotation)[:, None]
        for e in (0, 1):
            opening = lambda au: self.lid_gap[e] + au @ self.lid_change[:, e]
            share = opening(target).clamp(min=0) / torch.maximum(0.2 * self.lid_gap[e], opening(p.own))
            share = share * (target[:, SHUT_EYES, None] < .999)
            gap = lambda at: ((at[:, LOWER_LID[e]] - at[:, UPPER_LID[e]]) * down).sum(2)
            change = (gap(p.points).clamp(min=0) * share.clamp(0, 1.6) - gap(points))[..., None] * down
            points[:, UPPER_LID[e]] -= 0.9 * change
            points[:, LOWER_LID[e]] += 0.1 * change
            points[:, UPPER_LID_FOLD[e]] -= 0.45 * change

    # ---- the meshes, in the photo and in the picture

    def meshes(self, before, after):
        """Vertices (B,584,2) of the photo's and of the picture's mesh: landmarks, rings, eyes."""
        outline = before[:, OUTLINE]
        centre = outline.mean(1, keepdim=True)
        ring, border = centre + (outline - centre) * RING_INNER, centre + (outline - centre) * RING_OUTER
        moved_ring = ring + RING_FOLLOWS * (after - before)[:, OUTLINE]
        source, target = [self._lid_skin(before, after), ring, border], [after, moved_ring, border]
        for e in (0, 1):
            fan_source, fan_target = self._eye(before[:, EYE_OPENING[e]], after[:, EYE_OPENING[e]])
            source.append(fan_source)
            target.append(fan_target)
        return torch.cat(source, 1), torch.cat(target, 1)

    def _lid_skin(self, before, after):
        """The photo's landmarks, the upper lids' margins raised towards the fold as the eye shuts: they carry lashes and a
        rim of eyeball, which would smear over the lid that unrolls."""
        skin = before.clone()
        for e in (0, 1):
            raised = LASHES * self._shut(before, after, e) * (before[:, UPPER_LID_FOLD[e]] - before[:, UPPER_LID[e]])
            skin[:, UPPER_LID[e]] += raised
        return skin

    def _shut(self, before, after, e):
        """How far each column (B,7,1) of an eye was shut: 0 as before, 1 wholly."""
        gap = lambda at: (at[:, LOWER_LID[e]] - at[:, UPPER_LID[e]]).norm(dim=2, keepdim=True)
        return 1 - (gap(after) / gap(before).clamp(min=1e-3)).clamp(0, 1)

    def _eye(self, before, after):
        """An eye's fan (B,17,2): lids that close hide an eyeball that stays, and only where they open beyond what the photo
        shows is it stretched."""
        axis = before[:, 8] - before[:, 0]
        normal = F.normalize(torch.stack([-axis[:, 1], axis[:, 0]], 1), dim=1)
        normal = normal * torch.where(normal[:, 1:] > 0, 1., -1.)
        descent = ((after - before) * normal[:, None]).sum(2, keepdim=True)
        closes = torch.cat([torch.ones_like(descent[:, :1], dtype=torch.bool), descent[:, 1:8] > 0,
                            torch.ones_like(descent[:, :1], dtype=torch.bool), descent[:, 9:] < 0], 1)
        lids = torch.where(closes, after, before)
        middle = lambda loop: (loop[:, 1:8].mean(1) + loop[:, 9:].mean(1))[:, None] / 2
        return torch.cat([lids, middle(lids)], 1), torch.cat([after, middle(after)], 1)

    # ---- the picture

    @torch.no_grad()
    def render(self, portraits, target, box, size, supersample=2):
        """Pictures (B,3,size,size) in [0,1] of the expressions `target` (B,17), of the square `box` (B,3): left, top, side
        in pixels of the photo. A photo that shows the expression already comes back as it is."""
        p, n = portraits, size * supersample
        step = box[:, 2, None, None, None] / n  # photo pixels per subpixel
        corner = box[:, None, None, :2] + step / 2 - 0.5
        row = torch.arange(n, device=self.device, dtype=torch.float32)
        pixels = torch.stack([row.expand(n, n), row[:, None].expand(n, n)], 2)
        place = corner + pixels * step  # (B,n,n,2) in the photo

        after = self.move(p, target)
        source, vertices = self.meshes(p.points, after)
        vertices, source = vertices[:, self.faces], source[:, self.faces]
        # Skin folded over shows its back and is left out, but at the lids it is all that hides the eye.
        turned = (self._area(source) * self._area(vertices) < 0) & self.is_skin
        face = raster.cover((vertices - corner) / step, ~turned | self.is_lid, turned, n)
        maps = raster.affine_maps(torch.cat([source, self.texture.expand(len(p), -1, -1, -1)], 3), vertices)
        covered = face != raster.NOTHING
        flat = face.clamp(min=0) + torch.arange(len(p), device=self.device)[:, None, None] * len(self.faces)
        maps = maps.flatten(0, 1).index_select(0, flat.flatten()).view(*face.shape, -1)
        offset = place - maps[..., :2]
        image = maps[..., 2:6] + offset[..., :1] * maps[..., 6:10] + offset[..., 1:] * maps[..., 10:14]

        picture = self._sample(p.photos, torch.where(covered[..., None], image[..., :2], place))
        shade = torch.einsum("ba,ahw->bhw", target - p.own, self.shade)[:, None]
        shade = F.grid_sample(shade, image[..., 2:], align_corners=True).clamp(-0.45, 0.11).exp()
        shaded = covered & self.is_shaded[face.clamp(min=0)] & (image[..., 2:].abs().amax(3) < 1)
        picture = torch.where(shaded[:, None], picture * shade, picture)
        self._draw_lashes(picture, p, after, place)
        self._paint_mouth(picture, p, target, after, place, face)

        same = (target == p.own).all(1)[:, None, None, None]
        picture = torch.where(same, self._sample(p.photos, place), picture)
        return F.avg_pool2d(picture, supersample).clamp(0, 1)

    def _area(self, corners):
        return raster.cross(corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 0])

    def _sample(self, photos, place):
        limit = photos.new_tensor([photos.shape[3] - 1, photos.shape[2] - 1])
        return F.grid_sample(photos, place / limit * 2 - 1, padding_mode="border", align_corners=True)

    def _draw_lashes(self, picture, p, after, place):
        """Darkens the line on which an eye shuts, in place of the lashes that _lid_skin left behind."""
        for e in (0, 1):
            outer, inner = EYE_CORNERS[e]
            line = after[:, [outer, *LOWER_LID[e], inner]]
            dark = LASH_DARKNESS * self._shut(p.points, after, e)[:, :, 0].mean(1)
            width = LASH_WIDTH * p.scale[:, None]
            low, high = line.amin(1) - 3 * width, line.amax(1) + 3 * width
            b, y, x = ((place > low[:, None, None]) & (place < high[:, None, None])).all(3).nonzero(as_tuple=True)
            distance = raster.line_distance(line[b, :-1], line[b, 1:], place[b, y, x])
            picture[b, :, y, x] *= (1 - dark[b] * torch.exp(-(distance / width[b, 0]).square()))[:, None]

    def _paint_mouth(self, picture, p, target, after, place, face):
        """Draws the inside of the mouth where the skin leaves the lips' opening bare: the photo's own where it shows one."""
        pixel = (p.scale / PHOTO_SCALE)[:, None]  # of the photos on which the thresholds were found
        opening = after[:, MOUTH_OPENING]
        low, high = opening.amin(1) - pixel, opening.amax(1) + pixel
        skin = (face != raster.NOTHING) & self.is_skin[face.clamp(min=0)]
        window = ((place > low[:, None, None]) & (place < high[:, None, None])).all(3) & ~skin
        b, y, x = window.nonzero(as_tuple=True)
        at = place[b, y, x]
        distance = raster.polygon_distance(opening[b], at)
        keep = distance > -0.8 * pixel[b, 0]
        b, y, x, at, distance = b[keep], y[keep], x[keep], at[keep], distance[keep]

        neutral = self.move(p, torch.zeros_like(target))
        centre = (neutral[:, UPPER_LIP[0][4]] + neutral[:, LOWER_LIP[0][4]]) / 2
        right = F.normalize(p.rotation[:, :2, 0] * p.rotation.new_tensor([1, -1]), dim=1)
        down = self.down(p.rotation)
        u = ((at - centre[b]) * right[b]).sum(1) / p.scale[b]
        v = ((at - centre[b]) * down[b]).sum(1) / p.scale[b]
        jaw = self.jaw_drop * target[:, JAW] + 0.03 * target[:, LIPS_PART]
        colour = mouth.paint(u, v, jaw[b], distance / p.scale[b]) / 255 * self._light(p)[b]

        gap = ((p.points[:, LOWER_LIP[0]] - p.points[:, UPPER_LIP[0]]) * down[:, None]).sum(2).amax(1)
        seen = raster.polygon_distance(p.points[:, MOUTH_OPENING][b], at) / pixel[b, 0]
        share = mouth.step(0.3, 2.2, seen) * (gap > 2.5 * pixel[:, 0])[b]
        own = self._sample(p.photos, place)[b, :, y, x]
        picture[b, :, y, x] = colour + (own - colour) * share[:, None]

    def _light(self, p):
        """Factors (B,3) that put teeth into the photo's light: its brightness and part of its colour, off the bare skin."""
        at = p.points[:, BARE_SKIN].round().long().clamp(0, p.photos.shape[3] - 1)
        skin = p.photos[torch.arange(len(p), device=self.device)[:, None], :, at[..., 1], at[..., 0]].mean(1)
        level = (skin.mean(1, keepdim=True) * 255 / 165).clamp(.55, 1.08)
        tone = (skin + 1 / 255) / (skin + 1 / 255).mean(1, keepdim=True) / skin.new_tensor(SKIN_TONE)
        return level * tone.pow(TINT).clamp(.8, 1.25)
