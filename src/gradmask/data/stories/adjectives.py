"""Adjectives by what they describe: ``english spanish`` (masculine; the feminine follows, or stands after a slash)."""

from __future__ import annotations

OF_THINGS = """
old viejo; new nuevo; small pequeño; big grande; heavy pesado; light ligero; broken roto; rusty oxidado; shiny brillante; golden dorado; silver plateado; wooden robusto;
red rojo; blue azul; green verde; yellow amarillo; white blanco; black negro; grey gris; brown marrón; purple morado; pink rosado; round redondo; square cuadrado;
flat plano; long largo; short corto; narrow estrecho; thick grueso; thin delgado; soft suave; hard duro; smooth liso; rough áspero; clean limpio; dirty sucio;
dusty polvoriento; wet mojado; dry seco; cold frío; warm tibio; hidden escondido; lost perdido; forgotten olvidado; stolen robado; borrowed prestado; cheap barato; expensive caro;
valuable valioso; rare raro; strange extraño; curious curioso; beautiful hermoso; ugly feo; pretty bonito; elegant elegante; simple sencillo; plain modesto; fancy lujoso; modern moderno;
antique antiguo; magical mágico; mysterious misterioso; useful útil; useless inútil; fragile frágil; sturdy resistente; crooked torcido; straight recto; loose suelto; colourful colorido; striped rayado;
painted pintado; carved tallado; scratched arañado; cracked agrietado; burnt quemado; frozen helado; perfumed perfumado; enormous enorme; tiny diminuto; ordinary común; perfect perfecto; famous famoso;
unknown desconocido; foreign extranjero; royal real; sacred sagrado; bright vivo; faded descolorido; transparent transparente; handmade artesanal; military militar; medieval medieval; oval ovalado; polished pulido;
repaired reparado; portable portátil; orange anaranjado; turquoise turquesa; bronze bronceado; noisy ruidoso; silent silencioso; delicate delicado; rustic rústico; oriental oriental; worthless despreciable; precious precioso
"""

OF_PLACES = """
quiet tranquilo; noisy ruidoso; dark oscuro; bright luminoso; distant lejano; nearby cercano; crowded concurrido; deserted desierto; abandoned abandonado; ancient antiguo; high alto; low bajo;
deep profundo; wide ancho; narrow estrecho; foggy neblinoso; sunny soleado; rainy lluvioso; snowy nevado; dangerous peligroso; safe seguro; peaceful pacífico; poor pobre; rich rico;
famous famoso; unknown desconocido; gloomy sombrío; pleasant agradable; muddy embarrado; sandy arenoso; rocky rocoso; wild salvaje; immense inmenso; small pequeño; big grande; old viejo;
new nuevo; sacred sagrado; ruined arruinado; humble humilde; splendid espléndido; haunted embrujado; flooded inundado; walled amurallado; northern norteño; southern sureño; eastern oriental; western occidental;
secluded apartado; cheerful alegre; dusty polvoriento; damp húmedo; shady umbrío; picturesque pintoresco; neglected descuidado; luxurious lujoso; public público; private privado; solitary solitario; remote remoto
"""

OF_FEELING = """
happy contento; sad triste; tired cansado; angry enojado; surprised sorprendido; worried preocupado; calm tranquilo; nervous nervioso; proud orgulloso; ashamed avergonzado; excited emocionado; bored aburrido;
confused confundido; scared asustado; hopeful esperanzado; disappointed decepcionado; grateful agradecido; jealous celoso; hungry hambriento; thirsty sediento; sleepy soñoliento; sick enfermo; healthy sano; impatient impaciente;
cheerful alegre; serious serio; determined decidido; satisfied satisfecho; furious furioso; amazed asombrado; relieved aliviado; moved conmovido; exhausted agotado; discouraged desanimado; restless inquieto; delighted encantado;
desperate desesperado; embarrassed turbado; guilty arrepentido; offended ofendido; distracted distraído; absorbed absorto; frightened aterrado; thoughtful pensativo; silent silencioso; breathless jadeante; pale pálido; uneasy intranquilo
"""

OF_PEOPLE = """
young joven; old anciano; tall alto; short bajo; thin delgado; strong fuerte; kind amable; clever astuto; wise sabio; brave valiente; shy tímido; cheerful alegre;
lazy perezoso; hardworking trabajador; patient paciente; stubborn terco; generous generoso; honest honrado; curious curioso; quiet callado; talkative hablador; famous famoso; poor pobre; rich rico;
elegant elegante; clumsy torpe; careful cuidadoso; absent-minded despistado; serious serio; funny gracioso; lonely solitario; friendly simpático; strange extraño; polite educado; proud orgulloso; humble humilde;
grumpy gruñón/gruñona; greedy avaro; loyal leal; ambitious ambicioso; charming encantador; dreamy soñador; blond rubio; bald calvo; bearded barbudo; deaf sordo; blind ciego; lame cojo;
respected respetado; feared temido; skilful hábil; suspicious desconfiado; superstitious supersticioso; forgetful olvidadizo; discreet discreto; sincere sincero; sensitive sensible; stern severo; vain vanidoso; restless inquieto
"""

OF_ANIMALS = """
brave valiente; hungry hambriento; tame manso; wild salvaje; old viejo; fat gordo; thin flaco; lame cojo; white blanco; black negro; brown pardo; grey gris;
loyal fiel; lazy perezoso; clever astuto; noisy ruidoso; fast veloz; slow lento; spotted manchado; friendly amistoso; timid tímido; playful juguetón/juguetona; hairy peludo; tiny diminuto;
enormous enorme; wounded herido; lost perdido; stubborn terco; sleepy dormilón/dormilona; fierce feroz; gentle dócil; mischievous travieso; greedy glotón/glotona; wet mojado; dirty sucio; trained amaestrado
"""

OF_FOODS = """
sweet dulce; sour ácido; salty salado; bitter amargo; ripe maduro; fresh fresco; raw crudo; roasted asado; hot caliente; cold frío; spicy picante; delicious delicioso;
tasty sabroso; rotten podrido; soft blando; juicy jugoso; crunchy crujiente; dry reseco; stale rancio; smoked ahumado; enormous enorme; tender tierno; golden dorado; exquisite exquisito;
stuffed relleno; fried frito; frozen congelado; homemade casero; boiled cocido; burnt quemado; imported importado; light ligero
"""

OF_PLANTS = """
tall alto; withered marchito; green verde; thorny espinoso; fragrant fragante; young joven; hundred-year-old centenario; leafy frondoso; wild silvestre; bent torcido; lonely solitario; bare desnudo;
dry seco; old viejo; enormous enorme; blossoming florido; tropical tropical; poisonous venenoso; hardy resistente; rare raro; evergreen perenne; fallen caído; crooked retorcido; small pequeño
"""

OF_CLOTHES = """
elegant elegante; torn rasgado; old viejo; new nuevo; warm cálido; light ligero; tight ajustado; loose holgado; embroidered bordado; striped rayado; grey gris; silky sedoso;
dirty sucio; clean limpio; wet mojado; patched remendado; expensive caro; borrowed prestado; ironed planchado; colourful colorido; faded desteñido; long largo; short corto; black negro;
white blanco; green verde; blue azul; purple morado; wrinkled arrugado; comfortable cómodo; ridiculous ridículo; fashionable moderno; woven tejido; plain sobrio; worn gastado; waterproof impermeable
"""

OF_IDEAS = """
good bueno; bad malo; new nuevo; old antiguo; strange extraño; simple simple; difficult difícil; easy fácil; funny gracioso; sad triste; secret secreto; dangerous peligroso;
important importante; curious curioso; brilliant brillante; absurd absurdo; famous famoso; forgotten olvidado; useful útil; impossible imposible; unexpected inesperado; wonderful maravilloso; terrible terrible; interesting interesante;
ridiculous ridículo; long largo; short breve; ingenious ingenioso; daring atrevido; honest sincero; false falso; true verdadero; private privado; serious serio; boring aburrido; mysterious misterioso;
sensible sensato; foolish tonto; fair justo; unfair injusto; delicate delicado; ambitious ambicioso; practical práctico; romantic romántico; popular popular; local local; eternal eterno; unforgettable inolvidable;
reasonable razonable; unbelievable increíble; logical lógico; definitive definitivo; solemn solemne; traditional tradicional; heroic heroico; childish infantil; profitable rentable; shameful vergonzoso; noble noble; modest modesto
"""
