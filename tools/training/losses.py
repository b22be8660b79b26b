"""Losses of both stages. Pictures are (N,3,H,W) in [-1,1]; every loss is a scalar."""
import torch
import torch.nn.functional as F


def differences(x):
    """Horizontal and vertical differences of neighbours."""
    return x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]


def change_weights(photo, target):
    """(N,1,H,W): 1 where the expression changes nothing, up to 9 where it does, spread by two pixels."""
    change = (photo - target).abs().amax(1, keepdim=True)
    return 1 + 8 * (2 * F.avg_pool2d(F.max_pool2d(change, 5, 1, 2), 5, 1, 2)).clamp(0, 1)


def weighted_l1(picture, target, weights):
    return ((picture - target).abs() * weights).mean()


def gradient_l1(picture, target, weights):
    """L1 of the differences of neighbours: edges where they belong, where plain L1 is content with a blur."""
    (px, py), (tx, ty) = differences(picture), differences(target)
    return ((px - tx).abs() * weights[..., 1:]).mean() + ((py - ty).abs() * weights[..., 1:, :]).mean()


def pooled_l1(picture, target, weights):
    """L1 of the means over 4 and 8 pixels: the place and size of features, whatever their edges."""
    pool = lambda k: (F.avg_pool2d(picture - target, k).abs() * F.avg_pool2d(weights, k)).mean()
    return pool(4) + pool(8)


def total_variation(mask):
    dx, dy = differences(mask)
    return dx.abs().mean() + dy.abs().mean()


def supervised(photo, target, picture, mask, colour):
    """Stage 1: the teacher's picture. The colour image is held to it as well: the mask goes to 1 early where little changes
    and would starve it of gradient. The mask is charged for what it changes where the teacher changes nothing.

    Returns the loss and the share of the change that is still missing, over the changed region.
    """
    weights = change_weights(photo, target)
    still = ((photo - target).abs().amax(1, keepdim=True) < 0.01).float()
    loss = (weighted_l1(picture, target, weights) + gradient_l1(picture, target, weights)
            + 0.5 * pooled_l1(picture, target, weights)
            + 0.4 * (weighted_l1(colour, target, weights) + 0.5 * gradient_l1(colour, target, weights))
            + 0.25 * (still * (1 - mask)).mean() + 0.02 * total_variation(mask))
    changed = (weights > 3).float()
    missing = ((picture - target).abs() * changed).sum() / ((photo - target).abs() * changed).sum().clamp(min=1e-6)
    return loss, missing.detach()


def gradient_penalty(critic, real, fake, share):
    """WGAN-GP (Gulrajani et al. 2017): the critic's slope at points between real and fake, share (N) of the way, is 1."""
    between = torch.lerp(real, fake, share[:, None, None, None]).requires_grad_()
    scores, _ = critic(between)
    slope, = torch.autograd.grad(scores.sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


def critic_loss(critic, real, real_au, fake, share, au_weight, penalty_weight):
    """Real scores high, fake low, the AUs of the real are read right."""
    real_scores, read = critic(real)
    fake_scores, _ = critic(fake)
    return (fake_scores.mean() - real_scores.mean() + au_weight * F.mse_loss(read, real_au)
            + penalty_weight * gradient_penalty(critic, real, fake, share))


def adversarial(critic, generator, photo, own, au, picture, mask, weights):
    """Stage 2, for the generator: GANimation's section 2.2.1. weights: critic, au, cycle, mask, smooth."""
    scores, read = critic(picture)
    back, back_mask, _ = generator(picture, own)
    smooth = lambda m: sum(d.square().mean() for d in differences(m))
    # The paper's mask is 1 where the colour is taken; ours is 1 where the photo is kept.
    attention = sum(weights.mask * (1 - m).square().mean() + weights.smooth * smooth(m) for m in (mask, back_mask))
    return (-weights.critic * scores.mean() + weights.au * F.mse_loss(read, au) + weights.cycle * F.l1_loss(back, photo)
            + attention)
