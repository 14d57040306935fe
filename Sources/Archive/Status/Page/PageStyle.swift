/// How ``StatusPage`` looks, and the little that it does by itself.
enum PageStyle {
    /// Signs that differ in their shape, not only in their colour.
    static func icon(_ level: Health.Level) -> HTML {
        let shape: HTML =
            switch level {
            case .safe:
                """
                <circle class="shape" cx="32" cy="32" r="30"/><path class="sign" d="M18 33 28 43 \
                47 22"/>
                """
            case .attention:
                """
                <path class="shape" d="M32 3 62 58H2Z" stroke-linejoin="round"/><path class="sign" \
                d="M32 24V40M32 49V50"/>
                """
            case .risk:
                """
                <path class="shape" d="M20 2H44L62 20V44L44 62H20L2 44V20Z"/><path class="sign" \
                d="M21 21 43 43M43 21 21 43"/>
                """
            }
        return "<svg class=\"icon\" viewBox=\"0 0 64 64\" aria-hidden=\"true\">\(shape)</svg>"
    }

    /// Shows times as the reader's clock does, and says when this is an old copy of the page.
    static let script: HTML = """
        for (const time of document.querySelectorAll('time')) {
          time.title = time.textContent;
          time.textContent = new Date(time.dateTime).toLocaleString(undefined,
            {year: 'numeric', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit'});
        }
        const hours = (Date.now() - new Date(document.documentElement.dataset.made)) / 3.6e6;
        // The page has news at least once a day.
        if (hours > 25) {
          const old = document.getElementById('old');
          if (old) {
            const days = Math.floor(hours / 24);
            old.textContent = 'This is an old copy: it was made ' + (days > 1 ? days + ' days' :
              'a day') + ' ago, and says nothing about now. Open status.html in the archive again.';
            old.hidden = false;
          }
        }
        """

    static let css: HTML = """
        :root { --paper:#f5f6f8; --card:#fff; --ink:#1b2430; --soft:#566274;
          --line:#dde2e9; --good:#006b4f; --good-soft:#e3f3ed; --warn:#8a5200; --warn-soft:#fdf0d9;
          --bad:#a8201a; --bad-soft:#fbe6e4; --c0:#0072b2; --c1:#e69f00; --c2:#009e73; --c3:#cc79a7;
          --c4:#56b4e9; --c5:#7a8594; --track:#e4e8ee; }
        @media (prefers-color-scheme: dark) { :root { --paper:#12161c; --card:#1b2129;
          --ink:#e8ecf1;
          --soft:#a3afbf; --line:#323b47; --good:#5fd3a8; --good-soft:#15322a; --warn:#f5bd5b;
          --warn-soft:#3a2c12; --bad:#ff8f86; --bad-soft:#431d1b; --c0:#4fa8e0; --c5:#94a0af;
          --track:#333d4a; } }
        * { box-sizing:border-box; }
        body { margin:0; background:var(--paper); color:var(--ink); font:16px/1.5 system-ui,
          -apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif; }
        main, footer { max-width:1080px; margin:0 auto; padding:24px 20px; }
        footer { padding-top:0; color:var(--soft); font-size:.85rem; }
        h1 { margin:0; font-size:2.3rem; line-height:1.15; letter-spacing:-.01em; }
        h2 { margin:0 0 12px; font-size:1.05rem; }
        h3 { margin:4px 0 2px; font-size:1rem; }
        p { margin:0 0 10px; } p, li { overflow-wrap:anywhere; }
        small { color:var(--soft); }
        code { font:.88em/1.4 ui-monospace,"DejaVu Sans Mono",monospace; background:var(--track);
          border-radius:4px; padding:1px 5px; overflow-wrap:anywhere; }
        .path { overflow-wrap:anywhere; }
        .old { background:var(--warn-soft); color:var(--warn); border:2px solid var(--warn);
          border-radius:12px; padding:12px 18px; font-weight:600; }
        .answer { display:flex; gap:26px; align-items:flex-start; padding:28px; border-radius:16px;
          border:2px solid var(--tone); background:var(--tone-soft); margin-bottom:20px; }
        .safe { --tone:var(--good); --tone-soft:var(--good-soft); }
        .attention { --tone:var(--warn); --tone-soft:var(--warn-soft); }
        .risk { --tone:var(--bad); --tone-soft:var(--bad-soft); }
        .answer > div { min-width:0; } .answer h1 { color:var(--tone); }
        .question { margin:0; color:var(--soft); font-size:.95rem; }
        .headline { margin:8px 0 12px; font-size:1.12rem; max-width:62ch; }
        .icon { flex:none; width:84px; height:84px; }
        .icon .shape { fill:var(--tone); stroke:var(--tone); stroke-width:3; }
        .icon .sign { fill:none; stroke:var(--card); stroke-width:6; stroke-linecap:round;
          stroke-linejoin:round; }
        .asof { margin:0; color:var(--soft); font-size:.8rem; }
        section { background:var(--card); border:1px solid var(--line); border-radius:14px;
          padding:20px 22px; min-width:0; display:flex; flex-direction:column; }
        section > .asof { margin-top:auto; padding-top:10px; }
        .todo { border-left:6px solid var(--tone); margin-bottom:20px; }
        .todo ul { margin:0; padding-left:1.2em; } .todo li { margin:0 0 8px; max-width:80ch; }
        .grid { display:grid; grid-template-columns:1fr 1fr; gap:20px; }
        .wide { grid-column:1 / -1; }
        dl { margin:0 0 8px; } dl > div { display:flex; gap:16px; justify-content:space-between;
          flex-wrap:wrap; gap:2px 16px; padding:7px 0; border-bottom:1px solid var(--line); }
        dl > div:last-child { border-bottom:0; }
        dt { color:var(--soft); }
        dd { margin:0 0 0 auto; text-align:right; font-weight:600; min-width:0; }
        dd small { font-weight:400; display:block; }
        .mark { font-weight:600; } td .mark { white-space:nowrap; }
        .good.mark { color:var(--good); }
        .attention.mark { color:var(--warn); } .bad.mark { color:var(--bad); }
        table { width:100%; border-collapse:collapse; margin:6px 0; }
        th, td { text-align:left; padding:9px 10px 9px 0; border-top:1px solid var(--line);
          vertical-align:top; }
        thead th { border-top:0; color:var(--soft); font-weight:400; font-size:.88rem; }
        tbody th { font-weight:400; overflow-wrap:anywhere; }
        tbody th .path { color:var(--soft); display:block; }
        td.number, th.number { text-align:right; font-variant-numeric:tabular-nums;
          padding-right:24px; } td small { display:block; }
        .problem { margin:4px 0 0; color:var(--bad); font-size:.9rem; }
        .chart { width:100%; height:auto; display:block; }
        .grid-line { stroke:var(--line); } .tick { fill:var(--soft); font-size:11px; }
        .days14 { display:none; }
        .hover { fill:transparent; } g:hover .hover { fill:var(--track); }
        pattern path { stroke:var(--card); stroke-width:1.3; opacity:.75; fill:none; }
        .c0 { fill:var(--c0); } .c1 { fill:var(--c1); } .c2 { fill:var(--c2); }
        .c3 { fill:var(--c3); } .c4 { fill:var(--c4); } .c5 { fill:var(--c5); }
        .legend { list-style:none; display:flex; flex-wrap:wrap; gap:6px 20px; margin:8px 0 12px;
          padding:0; } .legend svg { width:16px; height:16px; margin-right:7px;
          vertical-align:-2px; }
        .bar { margin-bottom:12px; } .bar p { display:flex; flex-wrap:wrap; gap:2px 14px;
          justify-content:space-between; margin:0 0 4px; font-size:.9rem; }
        .bar svg { width:100%; height:12px; display:block; } .track { fill:var(--track); }
        .used { fill:var(--c0); }
        .head { margin-top:10px; color:var(--soft); font-size:.85rem; }
        .empty { color:var(--soft); }
        @media screen and (max-width:720px) { main, footer { padding:14px 12px; }
          .answer { flex-direction:column; gap:14px; padding:20px; } h1 { font-size:1.9rem; }
          .icon { width:60px; height:60px; }
          .grid { grid-template-columns:minmax(0,1fr); gap:14px; }
          section { padding:16px; } thead { position:absolute; left:-9999px; }
          tr { display:block; border-top:1px solid var(--line); padding:8px 0; }
          tbody th, td { display:block; border:0; padding:2px 0; }
          td, td.number { display:flex; justify-content:space-between;
            gap:16px; padding-right:0; text-align:right; }
          td::before { content:attr(data-label); color:var(--soft); }
          .days30 { display:none; } .days14 { display:block; } }
        @media print { :root { --paper:#fff; --card:#fff; --ink:#000; --soft:#444; --line:#bbb;
            --good:#00503b; --good-soft:#fff; --warn:#6b3f00; --warn-soft:#fff; --bad:#8c1510;
            --bad-soft:#fff; --c0:#0072b2; --c5:#7a8594; --track:#ddd; }
          * { print-color-adjust:exact; -webkit-print-color-adjust:exact; }
          body { font-size:10.5pt; } main, footer { max-width:none; padding:0; }
          section, .answer { break-inside:avoid; padding:12px 14px; } .grid { gap:12px; }
          .answer { margin-bottom:12px; } .todo { margin-bottom:12px; }
          @page { margin:14mm; } }
        """
}
