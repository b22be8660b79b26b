"""Random changes of a batch of log-mel spectrograms that leave the emotion: another throat, tempo, microphone, room."""
import torch
import torch.nn.functional as F


def reached(mel, lengths, level_frames):
    """The level (N) that so many frames of each clip reach, or a quarter of them; mel (N, T, n_mels)."""
    inside = torch.arange(mel.shape[1]) < lengths[:, None]
    levels = mel.amax(2).masked_fill(~inside, -torch.inf).sort(1, descending=True).values
    return levels.gather(1, ((lengths + 3) // 4).clamp(max=level_frames)[:, None] - 1)[:, 0]


def augment(mel, lengths, generator, amount=1.0, gain_db=12.0, top_db=80.0, level_frames=0, live=None):
    """mel (N, T, C, n_mels) in dB, rows past `lengths` (N) are padding. [:, :, 0] are the clips; what else there is, such as
    the means of streams, goes through the same changes. Returns the same form, T and lengths changed.

    amount 0..1 scales how far: at 1 frequencies move by up to 12 %, the tempo by 15 %, the level by gain_db; the response
    over frequency wanders by 0.5 dB a band; a half of the clips get a noise floor; two bands of up to 7 are masked. What
    then lies more than top_db under the clip's maximum is raised to there, as the features have it (top_db < 0: not); with
    level_frames, the clip becomes relative to the level that so many frames reach, which takes the place of its maximum; clips
    that are `live` (N), bool, keep the level that they had.
    """
    N, T, C, M = mel.shape
    warp, tempo, gain_db = 0.12 * amount, 0.15 * amount, gain_db * amount
    own_level = live * reached(mel[:, :, 0], lengths, level_frames) if live is not None and level_frames > 0 else torch.zeros(N)

    def rand(*shape):
        return torch.rand(*shape, generator=generator)

    def randn(*shape):
        return torch.randn(*shape, generator=generator)

    # Tempo and frequency warp in one resampling.
    new_lengths = (lengths * (1 + tempo * (2 * rand(N) - 1))).long().clamp(min=4)
    T_new = int(new_lengths.max())
    step = (lengths - 1) / (new_lengths - 1)
    t = (torch.arange(T_new)[None] * step[:, None]).clamp(max=T - 1) * (2 / max(1, T - 1)) - 1  # (N, T_new)
    f = (torch.linspace(0, 2, M)[None] * (1 + warp * (2 * rand(N, 1) - 1))) - 1  # (N, M)
    grid = torch.stack([f[:, None].expand(N, T_new, M), t[:, :, None].expand(N, T_new, M)], -1)
    mel = F.grid_sample(mel.transpose(1, 2), grid, align_corners=True, padding_mode="border")  # (N, C, T_new, M)

    # The microphone: a random walk over frequency is a slope with unevenness.
    response = (0.5 * amount * randn(N, M)).cumsum(1)
    response += gain_db * (2 * rand(N, 1) - 1) - response.mean(1, keepdim=True)
    mel = mel + response[:, None, None]

    # A noise floor, 25 to 65 dB under the loudest; means have it without its unevenness.
    inside = (torch.arange(T_new)[None] < new_lengths[:, None])[..., None]
    loudest = mel[:, 0].masked_fill(~inside, -1e9).amax((1, 2))[:, None, None, None]
    uneven = (torch.arange(C) == 0).float()[:, None, None] * 3 * randn(N, 1, T_new, M)
    floor = loudest - 25 - 40 * rand(N, 1, 1, 1) + uneven
    mel = torch.where(rand(N, 1, 1, 1) < 0.5 * amount, torch.maximum(mel, floor), mel)

    # Masked bands take the clip's mean.
    mean = ((mel[:, 0] * inside).sum((1, 2)) / (M * new_lengths))[:, None, None, None]
    band = torch.arange(M)
    for _ in range(2):
        first, width = (rand(N, 1) * (M - 8)).long(), (rand(N, 1) * 8 * amount).long()
        mel = torch.where(((band >= first) & (band < first + width))[:, None, None], mean, mel)
    level = reached(mel[:, 0], new_lengths, max(1, level_frames))
    if level_frames > 0:
        mel = mel - (level - own_level)[:, None, None, None]
        level = torch.zeros(N)
    if top_db >= 0:
        mel = torch.maximum(mel, level[:, None, None, None] - top_db)
    return mel.transpose(1, 2), new_lengths
