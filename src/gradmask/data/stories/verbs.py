"""Verbs by what they need: ``base[:past] spanish``. Forms follow the rules; Spanish irregulars stand in `IRREGULAR`."""

from __future__ import annotations

ON_THING = """
clean limpiar; wash lavar; polish pulir; paint pintar; repair reparar; break:broke romper; open abrir; close cerrar; lock asegurar; hide:hid esconder; find:found encontrar; lose:lost perder;
carry cargar; lift levantar; drop:dropped soltar; throw:threw lanzar; catch:caught atrapar; push empujar; pull arrastrar; turn girar; shake:shook sacudir; touch tocar; smell oler; taste probar;
wrap:wrapped envolver; fold doblar; cut:cut cortar; tie atar; hang:hung colgar; bury enterrar; dig_up desenterrar; collect recoger; count contar; measure medir; weigh pesar; buy:bought comprar;
sell:sold vender; steal:stole robar; borrow alquilar; return devolver; send:sent enviar; receive recibir; bring:brought llevar; show enseñar; draw:drew dibujar; describe describir; examine examinar; study estudiar;
choose:chose elegir; keep:kept guardar; forget:forgot olvidar; remember recordar; admire admirar; love amar; hate odiar; need necesitar; want desear; offer ofrecer; give_back regresar; share compartir;
build:built construir; make:made fabricar; invent inventar; design diseñar; finish terminar; burn quemar; cover cubrir; discover descubrir; follow seguir; guard vigilar; protect proteger; use usar;
rent arrendar; inspect revisar; decorate decorar; sharpen afilar; fill llenar; empty vaciar; drag:dragged jalar; gather reunir; trade cambiar; lend:lent prestar; save salvar; place colocar
"""

TO_PLACE = """
walk caminar; run:ran correr; go:went marchar; travel viajar; ride:rode cabalgar; hurry apresurar; climb:climbed subir; return volver; march desfilar; swim:swam nadar; sail navegar; drive:drove conducir;
wander vagar; jump saltar; crawl gatear; escape escapar; fly:flew volar; arrive llegar; come_back regresar; head avanzar
"""

ALONE = """
smile sonreír; laugh reír; cry llorar; sing:sang cantar; dance bailar; sleep:slept dormir; wake_up despertar; eat:ate comer; drink:drank beber; rest descansar; work trabajar; play jugar; think:thought pensar;
wait esperar; listen escuchar; look mirar; whisper susurrar; shout gritar; sigh suspirar; tremble temblar; hesitate dudar; dream:dreamed soñar; read:read leer; write:wrote escribir; pray rezar; whistle silbar;
cough toser; sneeze estornudar; breathe respirar; celebrate celebrar; complain protestar; apologize disculpar; blush palidecer; practise practicar; cook cocinar; fish pescar; learn aprender; speak:spoke hablar
"""

SAYING = """
say:said decir; answer responder; ask preguntar; whisper susurrar; shout gritar; explain explicar; repeat repetir; reply contestar; announce anunciar; exclaim exclamar; murmur murmurar; admit admitir; promise prometer; insist insistir; add añadir; suggest sugerir
"""

#: Third person preterite, imperfect and gerund where the rules do not give them.
IRREGULAR: dict[str, tuple[str, str, str]] = {
    "decir": ("dijo", "decía", "diciendo"),
    "oler": ("olió", "olía", "oliendo"),
    "contar": ("contó", "contaba", "contando"),
    "medir": ("midió", "medía", "midiendo"),
    "elegir": ("eligió", "elegía", "eligiendo"),
    "construir": ("construyó", "construía", "construyendo"),
    "seguir": ("siguió", "seguía", "siguiendo"),
    "sonreír": ("sonrió", "sonreía", "sonriendo"),
    "reír": ("rio", "reía", "riendo"),
    "dormir": ("durmió", "dormía", "durmiendo"),
    "leer": ("leyó", "leía", "leyendo"),
    "conducir": ("condujo", "conducía", "conduciendo"),
    "pulir": ("pulió", "pulía", "puliendo"),
    "repetir": ("repitió", "repetía", "repitiendo"),
    "sugerir": ("sugirió", "sugería", "sugiriendo"),
    "añadir": ("añadió", "añadía", "añadiendo"),
    "apresurar": ("se apresuró", "se apresuraba", "apresurándose"),
    "disculpar": ("se disculpó", "se disculpaba", "disculpándose"),
}
