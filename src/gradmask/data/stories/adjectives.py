"""Adjectives: ``english spanish`` (masculine; the other forms follow), for things, for places and for feelings."""

from __future__ import annotations

OF_THINGS = """
old viejo; new nuevo; small pequeño; big grande; heavy pesado; light ligero; broken roto; rusty oxidado; shiny brillante; golden dorado; silver plateado;
wooden robusto; red rojo; blue azul; green verde; yellow amarillo; white blanco; black negro; grey gris; brown marrón; purple morado; pink rosado;
round redondo; square cuadrado; flat plano; long largo; short corto; narrow estrecho; thick grueso; thin delgado; soft suave; hard duro; smooth liso; rough áspero;
clean limpio; dirty sucio; dusty polvoriento; wet mojado; dry seco; cold frío; warm tibio; hot caliente; empty vacío; full lleno; open abierto; hidden escondido;
lost perdido; forgotten olvidado; stolen robado; borrowed prestado; cheap barato; expensive caro; valuable valioso; rare raro; strange extraño; curious curioso;
beautiful hermoso; ugly feo; pretty bonito; elegant elegante; simple sencillo; plain modesto; fancy lujoso; modern moderno; antique antiguo; magical mágico;
mysterious misterioso; useful útil; useless inútil; fragile frágil; strong fuerte; weak débil; sharp afilado; crooked torcido; straight recto; loose suelto;
colourful colorido; striped rayado; painted pintado; carved tallado; folded doblado; torn rasgado; burnt quemado; frozen helado; perfumed perfumado; enormous enorme;
tiny diminuto; ordinary común; perfect perfecto; famous famoso; unknown desconocido; foreign extranjero; royal real; sacred sagrado; bright vivo; faded descolorido
"""

OF_PLACES = """
quiet tranquilo; noisy ruidoso; dark oscuro; bright luminoso; distant lejano; nearby cercano; crowded concurrido; deserted desierto; abandoned abandonado; ancient antiguo;
high alto; low bajo; deep profundo; wide ancho; narrow estrecho; steep empinado; green verde; white blanco; foggy neblinoso; sunny soleado; rainy lluvioso; snowy nevado;
dangerous peligroso; safe seguro; peaceful pacífico; poor pobre; rich rico; famous famoso; unknown desconocido; gloomy sombrío; pleasant agradable; muddy embarrado;
sandy arenoso; rocky rocoso; wild salvaje; immense inmenso; small pequeño; big grande; old viejo; new nuevo; sacred sagrado; ruined arruinado; humble humilde; splendid espléndido
"""

OF_FEELING = """
happy contento; sad triste; tired cansado; angry enojado; surprised sorprendido; worried preocupado; calm tranquilo; nervous nervioso; proud orgulloso; ashamed avergonzado;
excited emocionado; bored aburrido; curious curioso; confused confundido; scared asustado; brave valiente; hopeful esperanzado; disappointed decepcionado; grateful agradecido; jealous celoso;
lonely solitario; hungry hambriento; thirsty sediento; sleepy soñoliento; sick enfermo; healthy sano; patient paciente; impatient impaciente; careful prudente; generous generoso;
stubborn terco; shy tímido; cheerful alegre; serious serio; honest honrado; clever listo; determined decidido; satisfied satisfecho; furious furioso; amazed asombrado
"""

OF_PEOPLE = """
young joven; old anciano; tall alto; short bajo; thin delgado; strong fuerte; kind amable; clever astuto; wise sabio; brave valiente; shy tímido; cheerful alegre; lazy perezoso;
hardworking trabajador; patient paciente; stubborn terco; generous generoso; honest honrado; curious curioso; quiet callado; talkative hablador; famous famoso; poor pobre; rich rico;
elegant elegante; clumsy torpe; careful cuidadoso; absent distraído; serious serio; funny gracioso; lonely solitario; friendly simpático; strange extraño; polite educado; proud orgulloso; humble humilde
"""
