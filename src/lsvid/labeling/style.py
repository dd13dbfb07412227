"""The stylesheet of the page. A `<Style>` in the configuration works for the whole editor (Label Studio 1.23.2).

Labels are at the right; the buttons (Submit, Skip, Update) are small and at the top. At 1366 x 768 nothing scrolls: the
video takes the room that is left above the strip. There is no '>' in it, since the editor's sanitiser would drop it.
"""

STYLE = """
    .lsf-wrapper.lsf-wrapper_showingBottomBar { --bottombar-height: 34px; }
    .lsf-sidepanels__content .lsf-bottombar { top: 0; bottom: auto; }
    .lsf-sidepanels__content .lsf-bottombar { border-top: 0; border-bottom: 1px solid var(--color-neutral-border); }
    .lsf-sidepanels__content .lsf-main-content { padding-top: calc(var(--bottombar-height) - 6px); }
    .lsf-sidepanels__content .lsf-main-content { padding-bottom: 4px; }
    .lsf-main-view .lsf-main-view__annotation { padding-bottom: 0; }
    .lsf-bottombar .lsf-controls button { height: 26px; min-height: 26px; width: auto; min-width: 0; }
    .lsf-bottombar .lsf-controls button { font-size: 12px; padding: 0 10px; }
    .lsf-sidepanels[style*='padding-right: 320px'] { padding-right: 240px !important; }
    .lsf-tabs-panel[style*='width: 320px'] { width: 240px !important; }
    #History-draggable, #Relations-draggable { display: none; }
    .lsvid { display: flex; gap: 12px; align-items: flex-start; --lsvid-above: 92px; }
    .lsf-editor:has(.lsf-topbar) .lsvid { --lsvid-above: 134px; }
    .lsf-editor:has(.lsf-topbar) .lsvid .lsf-label { padding-top: 0; padding-bottom: 0; }
    .lsf-editor:has(.lsf-topbar) .lsvid .lsf-label * { line-height: 18px; }
    .lsvid-waveform { --lsvid-below: 216px; }
    .lsvid-frames { --lsvid-below: 308px; }
    .lsvid-both { --lsvid-below: 376px; }
    .lsf-editor:has(.lsf-topbar) .lsvid-frames { --lsvid-below: 348px; }
    .lsf-editor:has(.lsf-topbar) .lsvid-both { --lsvid-below: 396px; }
    .lsvid .lsvid-video { flex: 1 1 auto; min-width: 0; }
    .lsvid .lsf-video__main { height: auto !important; aspect-ratio: 16 / 9; min-height: 120px; max-width: 100%; }
    .lsvid .lsf-video__main { max-height: calc(100vh - var(--lsvid-above) - var(--lsvid-below)); }
    .lsvid .lsf-video__main { overflow: hidden; margin: 0 auto; }
    .lsvid .lsf-timeline-controls { display: flex; flex-wrap: wrap; }
    .lsvid-waveform .lsf-video-segmentation .lsf-timeline-controls { justify-content: flex-start; gap: 0 32px; }
    .lsvid-waveform .lsf-seeker { display: none; }
    .lsvid .lsf-audio-tag { position: relative; overflow: visible; }
    .lsvid .lsf-audio-tag .lsf-timeline-controls { position: absolute; top: -49px; right: 0; z-index: 2; }
    .lsvid .lsf-audio-tag .lsf-timeline-controls { width: auto; height: auto; gap: 8px; }
    .lsvid-both .lsf-audio-tag .lsf-timeline-controls { display: none; }
    .lsvid .lsf-audio-tag .lsf-audio-config, .lsvid .lsf-audio-tag .justify-between { display: none; }
    .lsvid-waveform .lsf-timeline-controls__time { display: none; }
    .lsvid .lsvid-labels { flex: 0 0 236px; max-height: calc(100vh - var(--lsvid-above) - 8px); overflow-y: auto; }
    .lsvid .lsvid-labels { position: sticky; top: 0; }
    .lsvid .ant-input { background: var(--color-neutral-surface); color: var(--color-neutral-content); }
    .lsvid .lsvid-labels .lsf-labels { align-items: stretch; gap: 1px; margin: 4px 0; }
    .lsvid .lsvid-labels .lsf-label { margin: 0; justify-content: space-between; height: auto; }
    .lsvid .lsvid-labels .lsf-label { min-height: 20px; line-height: 18px; font-size: 13px; }
    .lsvid .lsvid-labels .lsf-label__text { white-space: normal; overflow-wrap: anywhere; }
    .lsvid .lsvid-sub { position: sticky; bottom: 0; max-height: 50vh; overflow-y: auto; }
    .lsvid .lsvid-sub { background: var(--color-neutral-background); }
    .lsvid .lsvid-sub .lsf-choice { line-height: 26px; }
    .lsvid .lsvid-sub .lsf-hint { display: none; }
    .lsvid .lsvid-sub .lsf-choice__item_notLeaf { background: var(--color-neutral-surface); }
    .lsvid .lsvid-sub .lsf-choice__toggle { color: var(--color-neutral-content); }
    .lsvid .lsvid-labels h1 { font-size: 13px; line-height: 20px; margin: 0 !important; }
    .lsvid .lsvid-labels h2 { font-size: 13px; line-height: 20px; margin: 0 !important; }
    .lsvid .lsvid-labels h3 { font-size: 13px; line-height: 20px; margin: 0 !important; }
    .lsvid .lsvid-labels h4 { font-size: 13px; line-height: 20px; margin: 0 !important; }
    .lsvid .lsvid-labels h5 { font-size: 13px; line-height: 20px; margin: 0 !important; }
    .lsvid .lsvid-labels h6 { font-size: 13px; line-height: 20px; margin: 0 !important; }
    .lsvid .lsvid-clip { margin: 0; }
    .lsf-region-editor .lsf-timer-duration-control { flex-wrap: wrap; gap: 4px; }
    .lsf-region-editor .lsf-timer-duration-control .lsf-field-label { flex: 0 0 102px; }
    .lsf-outliner-tree .lsf-tree-icon__customize { display: none; }
    .lsf-outliner-tree .lsf-outliner-item { min-height: 26px; }
    .lsvid .lsvid-selected { background: var(--color-warning-background, #fff1c2); border-left: 4px solid #d97706; }
    .lsvid .lsvid-selected { padding: 0 6px; }
"""
