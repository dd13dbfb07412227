'use strict';
// Zoom, texts that fit their bars, and the box at the pointer. Without script the page shows all but these.
const ZOOMS = [1, 2, 4, 8, 16, 32, 64];
for (const article of document.querySelectorAll('.case')) {
  const track = article.querySelector('.track'), scroll = article.querySelector('.scroll');
  const [less, more] = article.querySelectorAll('button'), shown = article.querySelector('output');
  let level = 0;
  const fit = () => {
    const width = track.getBoundingClientRect().width;
    for (const text of track.querySelectorAll('.fit'))
      text.style.visibility = text.dataset.w * width > text.textContent.length * 6.2 + 8 ? 'visible' : 'hidden';
  };
  const zoom = (to, clientX) => {
    to = Math.min(Math.max(to, 0), ZOOMS.length - 1);
    const x = clientX === undefined ? scroll.clientWidth / 2 : clientX - scroll.getBoundingClientRect().left;
    const at = (scroll.scrollLeft + x) / track.getBoundingClientRect().width;
    level = to;
    const factor = ZOOMS[level];
    track.style.width = factor * 100 + '%';
    track.style.minWidth = factor * 640 + 'px';
    for (const step of [4, 16, 64]) track.classList.toggle('zoom' + step, factor >= step);
    shown.textContent = factor + '×';
    less.disabled = level === 0;
    more.disabled = level === ZOOMS.length - 1;
    scroll.scrollLeft = at * track.getBoundingClientRect().width - x;
    fit();
  };
  less.onclick = () => zoom(level - 1);
  more.onclick = () => zoom(level + 1);
  scroll.addEventListener('wheel', event => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoom(level + (event.deltaY < 0 ? 1 : -1), event.clientX);
  }, {passive: false});
  article.querySelector('.zoom').hidden = false;
  new ResizeObserver(fit).observe(scroll);
  zoom(0);
}
const tip = document.getElementById('tip');
const show = (element, x, y) => {
  tip.textContent = element.dataset.t;
  tip.hidden = false;
  const {width, height} = tip.getBoundingClientRect();
  tip.style.left = Math.max(4, Math.min(x + 12, innerWidth - width - 8)) + 'px';
  tip.style.top = (y + 16 + height > innerHeight ? Math.max(4, y - height - 10) : y + 16) + 'px';
};
document.addEventListener('pointermove', event => {
  const element = event.target.closest?.('[data-t]');
  if (element) show(element, event.clientX, event.clientY); else tip.hidden = true;
});
document.addEventListener('focusin', event => {
  const element = event.target.closest?.('[data-t]'), box = element?.getBoundingClientRect();
  if (element) show(element, box.left, box.bottom); else tip.hidden = true;
});
document.addEventListener('keydown', event => { if (event.key === 'Escape') tip.hidden = true; });
